-- Reads the next piece of a set, so that no list is too long to be read: all of it is read by and by.
--
-- KEYS[1]  set
-- ARGV[1]  where to go on, '0' at first
-- ARGV[2]  about how many
--
-- In front of this text comes MAX_NAME_BYTES: no entry of ours is longer.
--
-- Returns  { where to go on, '0' at the end; how many entries were too long; the others }
local found = redis.call('SSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local reply = { found[1], 0 }
for _, entry in ipairs(found[2]) do
  if #entry <= MAX_NAME_BYTES then
    reply[#reply + 1] = entry
  else
    reply[2] = reply[2] + 1
  end
end
return reply
