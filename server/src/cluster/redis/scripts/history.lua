-- Reads a room's history, and begins one where there is none and somebody comes into the room.
--
-- Atomic, so that the head, the epochs and the events belong together, and two replicas that begin a history agree on its
-- epoch. A history that is behind what somebody has seen stays as it is, and tells.
--
-- In front of this text come `standing.lua` of the emitter, and what never changes:
--   MAX_ENTRY_BYTES  what an entry may have, names and values of its fields together
--
-- Whoever may write to Redis can make an entry as long as Redis takes: the process that reads is told its place alone.
--
-- KEYS[1]  history stream of the room
-- KEYS[2]  its epochs (see `standing.lua`)
-- KEYS[3]  log of the idempotency keys that publishers made up
-- KEYS[4]  the log before it
-- KEYS[5]  sorted set of the keys that callers gave
-- KEYS[6]  newest version announced to the room
-- KEYS[7]  long events of the history
-- ARGV[1]  position to read on from, as '<epoch>-<n>', or '' for the head alone
-- ARGV[2]  events at most
-- ARGV[3]  bytes of them at most; the first one is in the answer in any case
-- ARGV[4]  how long the history lives at least from now on, in milliseconds; '' to change nothing
--
-- Returns  { position of the newest event, or '<epoch>-0', '0-0' where there is no history; ends of earlier epochs,
--            ' <epoch>:<n>' for each; entries as XRANGE gives them, without fields where these are too long }
local history, epochsKey, log, older, once, announced, heavy = unpack(KEYS)
local from, limit, maxBytes, ttl = unpack(ARGV)
--- Entries that are read in one go: what is too much is thrown away.
local STEP = 32
--- Names and values of an entry: `event`, and `version`.
local MAX_TEXTS = 4

--- @return the entry, or its place alone; and its bytes
local function bounded(entry)
  local bytes = 0
  if #entry[2] <= MAX_TEXTS then
    for _, text in ipairs(entry[2]) do
      bytes = bytes + #text
    end
    if bytes <= MAX_ENTRY_BYTES then
      return entry, bytes
    end
  end
  return { entry[1], {} }, 0
end

local incarnation, known, ends = epochsOf(epochsKey)
local epoch, n = newestPlaceOf(history)
if not epoch and ttl == '' then
  return { '0-0', '', {} }
end
if epoch and ttl ~= '' then
  for _, key in ipairs(KEYS) do
    -- Never shorter. A replica, which refuses this, can be read all the same.
    redis.pcall('PEXPIRE', key, ttl, 'GT')
  end
elseif not epoch then
  local here = incarnationOfRedis()
  epoch, n, ends = newEpoch(here, known, string.match(from, '^%d+')), 0, ''
  local head = epoch .. '-0'
  -- An entry that is removed at once leaves an empty stream that knows its epoch. First, because Redis asks the first
  -- command that writes whether there is memory.
  redis.call('XADD', history, head, 'event', '')
  redis.call('XDEL', history, head)
  redis.call('DEL', log, older, once, heavy)
  if incarnation ~= here then
    redis.call('DEL', announced)
  end
  redis.call('SET', epochsKey, here .. ' ' .. epoch, 'PX', ttl)
  redis.call('PEXPIRE', history, ttl)
end

local events = {}
if from ~= '' then
  local oldest = string.match(ends, '^ (%d+):') or epoch
  if tonumber(string.match(from, '^%d+')) < tonumber(oldest) then
    from = oldest .. '-0'
  end
  limit, maxBytes = tonumber(limit), tonumber(maxBytes)
  local bytes = 0
  local isMore = true
  while isMore do
    local count = math.min(STEP, limit - #events)
    local part = redis.call('XRANGE', history, '(' .. from, '+', 'COUNT', count)
    isMore = #part == count and #events + count < limit
    for _, found in ipairs(part) do
      local entry, more = bounded(found)
      bytes = bytes + more
      if bytes > maxBytes and #events > 0 then
        isMore = false
        break
      end
      events[#events + 1] = entry
      from = entry[1]
    end
  end
end
return { epoch .. '-' .. string.format('%.0f', n), ends, events }
