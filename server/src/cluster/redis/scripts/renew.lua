-- Renews a node's lease, finds the names that have ended, and tells which incarnation of Redis this is.
--
-- Atomic, and by Redis's own clock, so that a node either still holds its lease or learns that others may have declared
-- it dead: never both.
--
-- KEYS[1]  sorted set of nodes by when they last renewed, in milliseconds since 1970
-- KEYS[2]  sorted set of names whose members are on their way, by when they are dead, in milliseconds since 1970; left out
--          where it cannot be asked together with the other: then nobody has had their time. Or alone, as KEYS[1]
-- KEYS[3]  there while an operator looks, and KEYS[4] what one asks (see board.ts); left out as KEYS[2] is
-- ARGV[1]  node
-- ARGV[2]  duration of a lease, in milliseconds
-- ARGV[3]  '1' to begin a lease, '' to renew one, 'late' to ask for those alone who have had their time
-- ARGV[4]  expiry of the set, in milliseconds
-- ARGV[5]  names to tell at most of each of the two
-- ARGV[6]  how long those on their way can be believed at most, in milliseconds
--
-- In front of this text comes MAX_NAME_BYTES: no name of a node is longer.
--
-- Returns  { 1 where the node holds its lease, else 0; nodes whose lease has run out; names whose members have had their
--            time; the incarnation, or '' where Redis does not say; where an operator looks, '?' and what is asked, else ''
--            (nothing where that was not to be found out) }
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local deadline = now - tonumber(ARGV[2])
local NODES, LEAVING = KEYS[1], KEYS[2]
if ARGV[3] == 'late' then
  NODES, LEAVING = nil, KEYS[1]
end

--- @return the names of nodes; others are taken out, as nobody could be told of them
local function nodesIn(key, ...)
  local nodes = {}
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', key, ...)) do
    if #name <= MAX_NAME_BYTES then
      nodes[#nodes + 1] = name
    else
      redis.call('ZREM', key, name)
    end
  end
  return nodes
end

local held = 0
local dead = {}
if NODES then
  -- Somebody else's, and in the way of all: as if the list had been lost, every node claims anew what it holds.
  if redis.call('TYPE', NODES).ok ~= 'zset' then
    redis.call('DEL', NODES)
  end
  local renewed = redis.call('ZSCORE', NODES, ARGV[1])
  if ARGV[3] == '1' or (renewed and tonumber(renewed) > deadline) then
    held = 1
    -- First, as it needs no memory: then a full Redis carries out what follows. It would refuse it as the first write.
    redis.call('PEXPIRE', NODES, ARGV[4])
    redis.call('ZADD', NODES, string.format('%.0f', now), ARGV[1])
    if not renewed then
      -- There may have been no set to expire.
      redis.call('PEXPIRE', NODES, ARGV[4])
    end
  end
  -- A time that is still to come is another clock's, from before this one was set back: it counts from now on.
  local later = '(' .. string.format('%.0f', now)
  for _, node in ipairs(redis.call('ZRANGEBYSCORE', NODES, later, '+inf', 'LIMIT', 0, ARGV[5])) do
    redis.call('ZADD', NODES, string.format('%.0f', now), node)
  end
  dead = nodesIn(NODES, '-inf', string.format('%.0f', deadline), 'LIMIT', 0, ARGV[5])
end
local late = {}
if LEAVING and redis.call('EXISTS', LEAVING) == 1 and redis.call('TYPE', LEAVING).ok == 'zset' then
  -- A time that is further away than any was given by another clock.
  local latest = string.format('%.0f', now + tonumber(ARGV[6]))
  for _, node in ipairs(redis.call('ZRANGEBYSCORE', LEAVING, '(' .. latest, '+inf', 'LIMIT', 0, ARGV[5])) do
    redis.call('ZADD', LEAVING, latest, node)
  end
  late = nodesIn(LEAVING, '-inf', string.format('%.0f', now), 'LIMIT', 0, ARGV[5])
end

-- Redis makes a new one when it starts, whatever it has loaded, and when a replica is promoted. (And when a first replica
-- comes: then nothing is lost, and claiming anew changes nothing.) Some users may not ask.
local info = redis.pcall('INFO', 'replication')
local incarnation = type(info) == 'string' and string.match(info, 'master_replid:(%x+)') or ''

-- Whoever has put anything else there is in nobody's way.
local MAX_QUESTION_BYTES = 1024
local watch = KEYS[3] and ''
if KEYS[3] and redis.pcall('EXISTS', KEYS[3]) == 1 then
  local asked = redis.pcall('GETRANGE', KEYS[4], 0, MAX_QUESTION_BYTES)
  watch = '?' .. (type(asked) == 'string' and #asked <= MAX_QUESTION_BYTES and asked or '')
end
return { held, dead, late, incarnation, watch }
