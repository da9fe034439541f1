-- Bounds the bytes of a history: a part of `publish.lua`.
--
-- To count the bytes of every event would make each of them dearer. So each place in a history has LIGHT_BYTES for its
-- event, and only what an event has beyond that, its excess, is counted: of all events in a history it comes to MAX_EXCESS
-- at most. A sorted set has the long events, each with the excess of all up to it, since the history began: their
-- differences tell how much the newest have together, whatever the limit of events has taken out meanwhile.

--- Takes the oldest events out, where with this one the history is too long. Never this one itself.
--- @return an error reply where that cannot be done, else nil
local function weigh(history, heavy, id, json)
  local excess = #json - LIGHT_BYTES
  if excess <= 0 then
    return nil
  end
  local newest = redis.call('ZRANGE', heavy, -1, -1, 'WITHSCORES')
  local before = tonumber(newest[2]) or 0
  local total = before + excess
  local failure = redis.pcall('ZADD', heavy, string.format('%.0f', total), id)
  if type(failure) == 'table' and failure.err then
    return failure
  end
  local beyond = math.min(total - MAX_EXCESS, before)
  if beyond <= 0 then
    return nil
  end
  -- The last one that goes. It stays in the set, as the others are counted from it.
  beyond = string.format('%.0f', beyond)
  local last = redis.call('ZRANGEBYSCORE', heavy, beyond, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  redis.call('XTRIM', history, 'MINID', offsetBeside(last[1], 1))
  redis.call('ZREMRANGEBYSCORE', heavy, '-inf', '(' .. last[2])
end
