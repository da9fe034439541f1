-- Reads counts in a hash, none longer than a count is, whoever has written them.
--
-- KEYS[1]  hash
-- ARGV     fields
--
-- Returns  for each field its text, or '' where there is none or one that is no count
local MAX_DIGITS = 9
local reply = {}
for i, text in ipairs(redis.call('HMGET', KEYS[1], unpack(ARGV))) do
  reply[i] = text and #text <= MAX_DIGITS and text or ''
end
return reply
