-- Reads the names in a sorted set, of those with the highest scores: so many and no more, whoever has put them in.
--
-- KEYS[1]  sorted set of names
-- ARGV[1]  how many at most
--
-- In front of this text comes MAX_NAME_BYTES: no name of ours is longer.
--
-- Returns  { how many were too long; the others }
local reply = { 0 }
for _, name in ipairs(redis.call('ZRANGE', KEYS[1], 0, ARGV[1] - 1, 'REV')) do
  if #name <= MAX_NAME_BYTES then
    reply[#reply + 1] = name
  else
    reply[1] = reply[1] + 1
  end
end
return reply
