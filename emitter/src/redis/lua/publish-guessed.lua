-- The usual case of `publish.lua`, as quickly as it goes: events under keys that have just been made up, for a room whose
-- epoch the publisher knows.
--
-- Redis hashes every byte of every string that it hands to Lua or gets from it, and each command costs as much as the
-- append itself. So the publisher guesses the first event's offset and has written it into the packets already. Where
-- others have published meanwhile the guess is wrong, and each packet gets its offset here. Where anything else is not as
-- the publisher thinks, nothing is changed, and it sends the same events to `publish.lua`.
--
-- The place in front of the guess is the one that the publisher has been answered last. Where no made-up key came to the
-- history behind it, the call is not late (see `late.lua`). Else its keys are looked for among those that came since.
--
-- A guess holds in one incarnation of Redis, so that is asked for each time. That Redis knows this script says nothing: a
-- primary that was demoted, set back to what another one has, and promoted again still knows it.
--
-- In front of this text the publisher puts what it puts in front of `publish.lua`.
--
-- Atomic, as that is.
--
-- KEYS[1]  history stream of the room, 'history:{<channel>}'
-- KEYS[2]  log of the keys that publishers made up
-- KEYS[3]  the log before it
-- ARGV[1]  guessed offset of the first event
-- ARGV[2]  bytes of a packet after its offset
-- ARGV[3]  '<guessed epoch>-*'
-- ARGV[4]  line for the log, with the guessed offset of the last event
-- ARGV[5]  'master_replid:<incarnation of Redis that the guess is for>'
-- then for each event
--          Socket.IO packet, with the guessed offset as a fixstr of MessagePack
--          event, as JSON
--
-- Returns  1 where the guess was right; offset of the first event where it was not, the others follow; 0 where nothing
--          was changed
-- Locals: Lua looks up a global by its name each time.
local call, ARGV, KEYS = redis.call, ARGV, KEYS
local history, auto, events = KEYS[1], ARGV[3], #ARGV
local FIRST_EVENT = 6
local channel = string.sub(history, 10, -2)
local may = redis.acl_check_cmd
if not (may(PUBLISH, channel, '') and may('APPEND', KEYS[2], '') and may('GETRANGE', KEYS[2], '0', '0')) then
  return 0
end
-- A replica has the name of its primary's: the first command that writes tells it.
if not string.find(call('INFO', 'replication'), ARGV[5], 1, true) then
  return 0
end
local kindOfLog = call('TYPE', KEYS[2]).ok
if kindOfLog ~= 'string' and kindOfLog ~= 'none' then
  return 0
end

local guessedPlace = numberOf(ARGV[1])
if newestKeyedPlace(KEYS[2], KEYS[3]) >= guessedPlace
  and mayBeLate(KEYS[2], KEYS[3], ARGV[4], guessedPlace - 1) then
  return 0
end

-- The limit is applied once in a call, by its last append.
local first
if events == FIRST_EVENT + 1 then
  first = redis.pcall('XADD', history, 'NOMKSTREAM', 'MAXLEN', HISTORY_LIMIT, auto, 'event', ARGV[FIRST_EVENT + 1])
else
  first = redis.pcall('XADD', history, 'NOMKSTREAM', auto, 'event', ARGV[FIRST_EVENT + 1])
end
if type(first) ~= 'string' then
  -- No history, one of a later epoch, or an error that will be met again.
  return 0
end
if string.sub(first, -2) == '-0' then
  -- The history is of an earlier epoch than one that the publisher has seen: it began anew when the clock went back.
  call('DEL', history)
  return 0
end

local line, isRight = ARGV[4], first == ARGV[1]
local last = first
for i = FIRST_EVENT + 3, events - 2, 2 do
  last = call('XADD', history, auto, 'event', ARGV[i])
end
if events > FIRST_EVENT + 1 then
  last = call('XADD', history, 'MAXLEN', HISTORY_LIMIT, auto, 'event', ARGV[events])
end
if not isRight then
  line = string.match(line, '^.* ') .. last .. '\n'
end
local failure = note(KEYS[2], KEYS[3], line)
if failure then
  -- Nothing stays that is not published.
  for _ = numberOf(first), numberOf(last) do
    call('XDEL', history, last)
    last = offsetBeside(last, -1)
  end
  return failure
end
if isRight then
  for i = FIRST_EVENT, events, 2 do
    call(PUBLISH, channel, ARGV[i])
  end
  return 1
end
local guessed, offset, tail = ARGV[1], first, tonumber(ARGV[2])
for i = FIRST_EVENT, events, 2 do
  call(PUBLISH, channel, withOffset(ARGV[i], guessed, tail, offset))
  guessed, offset = offsetBeside(guessed, 1), offsetBeside(offset, 1)
end
return first
