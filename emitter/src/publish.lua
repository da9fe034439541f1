-- Appends one event to a room's history and publishes it to the room's members on every replica.
--
-- Atomic, so that the order of the history is the order of delivery, an offset is never given twice, and a retry
-- cannot slip in between the check of its idempotency key and the append.
--
-- KEYS[1]  history stream of the room
-- KEYS[2]  sorted set of the newest idempotency keys, each with the n of its event
-- KEYS[3]  newest version announced to the room (see `version`)
-- ARGV[1]  Socket.IO packet, up to its last argument
-- ARGV[2]  Socket.IO packet, after its last argument
-- ARGV[3]  event, as JSON
-- ARGV[4]  channel
-- ARGV[5]  'PUBLISH' or 'SPUBLISH'
-- ARGV[6]  newest events to keep
-- ARGV[7]  expiry of all three keys, in milliseconds
-- ARGV[8]  idempotency key
-- ARGV[9]  newest idempotency keys to keep
-- ARGV[10] version of the state that the event announces, or ''. Odd and even versions alternate between the two
--          states. An older version than the newest announced, or one that announces the same state again, is not
--          published.
--
-- Returns  { offset, 1 where nothing new was published, else 0 }
local last
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
if newest[1] then
  last = newest[1][1]
elseif redis.call('EXISTS', KEYS[1]) == 1 then
  -- An empty stream: a room that is held but has had no event. XINFO answers a flat list of names and values.
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
else
  local now = redis.call('TIME')
  epoch = now[1] .. string.sub('00000' .. math.floor(tonumber(now[2]) / 1000), -3)
  n = 0
  -- What it remembers belongs to a history that is gone.
  redis.call('DEL', KEYS[2])
end

local function offsetOf(place)
  return epoch .. '-' .. string.format('%.0f', place)
end

local seen = redis.call('ZSCORE', KEYS[2], ARGV[8])
if seen then
  return { offsetOf(tonumber(seen)), 1 }
end

if ARGV[10] ~= '' then
  local announced = tonumber(redis.call('GET', KEYS[3]) or '')
  local version = tonumber(ARGV[10])
  if announced and version <= announced then
    return { offsetOf(n), 1 }
  end
  redis.call('SET', KEYS[3], ARGV[10], 'PX', ARGV[7])
  if announced and (version - announced) % 2 == 0 then
    return { offsetOf(n), 1 }
  end
end

local offset = offsetOf(n + 1)
if ARGV[10] == '' then
  redis.call('XADD', KEYS[1], 'MAXLEN', ARGV[6], offset, 'event', ARGV[3])
else
  redis.call('XADD', KEYS[1], 'MAXLEN', ARGV[6], offset, 'event', ARGV[3], 'version', ARGV[10])
end
redis.call('PEXPIRE', KEYS[1], ARGV[7])
redis.call('ZADD', KEYS[2], n + 1, ARGV[8])
redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -1 - tonumber(ARGV[9]))
redis.call('PEXPIRE', KEYS[2], ARGV[7])
-- MessagePack's str 8: 0xd9, length, bytes.
redis.call(ARGV[5], ARGV[4], ARGV[1] .. string.char(0xd9, #offset) .. offset .. ARGV[2])
return { offset, 0 }
