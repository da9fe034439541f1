-- Keeps a room's history for a while longer, as somebody is in the room.
--
-- Atomic, so that all of its keys live as long.
--
-- KEYS     those of `history.lua`
-- ARGV[1]  how long they live at least from now on, in milliseconds
--
-- Returns  how long the history lives, in milliseconds; negative where there is none, or one that does not expire
for _, key in ipairs(KEYS) do
  redis.call('PEXPIRE', key, ARGV[1], 'GT')
end
return redis.call('PTTL', KEYS[1])
