-- Reads a room's history, and begins one where there is none.
--
-- Atomic, so that the head and the events belong together, and two replicas that begin a history agree on its epoch.
--
-- KEYS[1]  history stream of the room
-- KEYS[2]  sorted set of the idempotency keys that callers gave
-- KEYS[3]  log of those that publishers made up
-- ARGV[1]  epoch of the position to read on from, or '' for the head alone
-- ARGV[2]  n of that position
-- ARGV[3]  events at most
-- ARGV[4]  expiry of the history, in milliseconds
--
-- Returns  { id of the newest event, or '<epoch>-0'; entries as XRANGE gives them }
local last
if redis.call('EXISTS', KEYS[1]) == 1 then
  -- XINFO answers a flat list of names and values.
  local info = redis.call('XINFO', 'STREAM', KEYS[1])
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then
      last = info[i + 1]
    end
  end
end

local epoch, n
if last then
  local cut = string.find(last, '-', 1, true)
  epoch = string.sub(last, 1, cut - 1)
  n = tonumber(string.sub(last, cut + 1))
  if epoch == ARGV[1] and n < tonumber(ARGV[2]) then
    -- Redis came back with less than it had published. Numbers that were given must not be given again.
    redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
    last = nil
  end
end

if not last then
  local now = redis.call('TIME')
  local fresh = now[1] .. string.sub('00000' .. math.floor(tonumber(now[2]) / 1000), -3)
  -- The same millisecond as the history that was just dropped, or a clock that went back.
  if epoch and tonumber(fresh) <= tonumber(epoch) then
    fresh = string.format('%.0f', tonumber(epoch) + 1)
  end
  epoch = fresh
  last = epoch .. '-0'
  -- An entry that is removed at once leaves an empty stream that knows its epoch.
  redis.call('XADD', KEYS[1], last, 'event', '')
  redis.call('XDEL', KEYS[1], last)
end
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('PEXPIRE', KEYS[2], ARGV[4])
redis.call('PEXPIRE', KEYS[3], ARGV[4])

local events = {}
if epoch == ARGV[1] then
  events = redis.call('XRANGE', KEYS[1], '(' .. ARGV[1] .. '-' .. ARGV[2], '+', 'COUNT', ARGV[3])
end
return { last, events }
