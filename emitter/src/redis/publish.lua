-- Appends events to a room's history and publishes them to the room's members on every replica.
--
-- Atomic, so that the order of the history is the order of delivery, an offset is never given twice, and a retry
-- cannot slip in between the check of its idempotency key and the append.
--
-- Redis hashes every byte of every string that it hands to Lua or gets from it, and each command costs as much as the
-- append itself. So the usual call (events under new keys in a known room) comes in a short form, in which the
-- publisher guesses the first event's offset and has written it into the packets already. A guess that fails costs
-- some work and changes nothing else.
--
-- In front of this text the publisher puts what never changes:
--   PUBLISH        'PUBLISH' or 'SPUBLISH'
--   HISTORY_LIMIT  newest events to keep
--   TTL_MS         expiry of all keys, in milliseconds
--   MAX_KEYS       newest idempotency keys to keep
--   MAX_LOG_BYTES  length at which the log of new keys is put aside for a new one
--
-- KEYS[1]  history stream of the room, 'history:{<channel>}'
-- KEYS[2]  log of the keys that publishers made up: for each call a line '<key> <key> ... <offset of the last one>'
-- KEYS[3]  the log before it
-- KEYS[4]  (long form) sorted set of the keys that callers gave, each with the n of its event; the member '' has the
--          epoch that they belong to
-- KEYS[5]  (long form) newest version announced to the room (see `version`)
-- Short form:
-- ARGV[1]  guessed offset of the first event
-- ARGV[2]  bytes of a packet after its offset
-- ARGV[3]  '<guessed epoch>-*'
-- ARGV[4]  line for the log, with the guessed offset of the last event
-- then for each event
--          Socket.IO packet, with the guessed offset as a fixstr of MessagePack
--          event, as JSON
-- Long form:
-- ARGV[1]  what every packet holds instead of its offset, as a fixstr of MessagePack
-- ARGV[2]  bytes of a packet after its offset
-- ARGV[3]  '', or the mark of the call without which nothing is published, because these events go on with its array
-- ARGV[4]  '', or the mark of this call: a key that it notes in any case (a short call has it in front of its line)
-- then for each event
--          Socket.IO packet
--          event, as JSON
--          idempotency key, after '+' for one that is new, '?' for one that was made up and has been tried, '=' for one
--          that the caller gave
--          version of the state that the event announces, or ''. Odd and even versions alternate between the two
--          states. An older version than the newest announced, or one that announces the same state again, is not
--          published.
--
-- Returns  short form, where the guess was right: 1
--          else { newest offset, offset of the first event, 1 where nothing new was published, else 0, and so on }
-- Locals: Lua looks up a global by its name each time.
local call, ARGV = redis.call, ARGV
local history, log, older, once = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local channel = string.sub(history, 10, -2)
local epoch, n

local function offsetOf(place)
  return epoch .. '-' .. string.format('%.0f', place)
end

local function positionOf(id)
  local cut = string.find(id, '-', 1, true)
  return string.sub(id, 1, cut - 1), tonumber(string.sub(id, cut + 1))
end

--- Finds out where the history stands, and gives it an epoch, later than the one given, where there is none.
local function open(before)
  local newest = call('XREVRANGE', history, '+', '-', 'COUNT', 1)
  if newest[1] then
    epoch, n = positionOf(newest[1][1])
    return
  end
  if call('EXISTS', history) == 1 then
    -- An empty stream: a room that is held but has had no event. XINFO answers a flat list of names and values.
    local info = call('XINFO', 'STREAM', history)
    for i = 1, #info, 2 do
      if info[i] == 'last-generated-id' then
        epoch, n = positionOf(info[i + 1])
        return
      end
    end
  end
  local now = call('TIME')
  epoch = now[1] .. string.sub('00000' .. math.floor(tonumber(now[2]) / 1000), -3)
  if before and tonumber(epoch) <= tonumber(before) then
    epoch = string.format('%.0f', tonumber(before) + 1)
  end
  n = 0
end

--- @param guessed what the packet holds instead of its offset
local function publish(packet, guessed, offset)
  if offset ~= guessed then
    local tail = tonumber(ARGV[2])
    -- MessagePack's fixstr, or its str 8.
    local header = #offset < 32 and string.char(0xa0 + #offset) or string.char(0xd9, #offset)
    local head = string.sub(packet, 1, -tail - #guessed - 2)
    packet = head .. header .. offset .. string.sub(packet, -tail)
  end
  call(PUBLISH, channel, packet)
end

--- Notes new keys. A long log is not cut, which would take Redis milliseconds, but takes the place of the one before.
local function note(line)
  local size = call('APPEND', log, line)
  if size == #line then
    call('PEXPIRE', log, TTL_MS)
  elseif size > MAX_LOG_BYTES then
    call('RENAME', log, older)
  end
end

if not once then
  local guess, auto, events = ARGV[1], ARGV[3], #ARGV
  -- The limit is applied once in a call, by its last append.
  local id
  if events == 6 then
    id = redis.pcall('XADD', history, 'NOMKSTREAM', 'MAXLEN', HISTORY_LIMIT, auto, 'event', ARGV[6])
  else
    id = redis.pcall('XADD', history, 'NOMKSTREAM', auto, 'event', ARGV[6])
  end
  if id == guess then
    for i = 8, events - 2, 2 do
      call('XADD', history, auto, 'event', ARGV[i])
    end
    if events > 6 then
      call('XADD', history, 'MAXLEN', HISTORY_LIMIT, auto, 'event', ARGV[events])
    end
    note(ARGV[4])
    for i = 5, events, 2 do
      call(PUBLISH, channel, ARGV[i])
    end
    return 1
  end

  local first = 1
  if type(id) == 'string' then
    epoch, n = positionOf(id)
  end
  if n == 0 then
    -- This history is older than one that the publisher has seen: the clock went back. Its numbers begin anew.
    call('DEL', history)
    open(epoch)
  elseif not n then
    -- No history, or one of another epoch.
    open(string.match(guess, '^%d+'))
  else
    -- Others have published. The first event is in its place.
    n = n - 1
    first = 2
  end
  local reply = { '' }
  for i = 6, events, 2 do
    local offset = offsetOf(n + 1)
    if first == 1 or i > 6 then
      call('XADD', history, 'MAXLEN', HISTORY_LIMIT, offset, 'event', ARGV[i])
    end
    n = n + 1
    reply[#reply + 1] = offset
    reply[#reply + 1] = 0
  end
  reply[1] = offsetOf(n)
  call('PEXPIRE', history, TTL_MS)
  note(string.match(ARGV[4], '^.* ') .. reply[1] .. '\n')
  local guessedEpoch, guessedN = positionOf(guess)
  for i = 5, events, 2 do
    local guessed = guessedEpoch .. '-' .. string.format('%.0f', guessedN + (i - 5) / 2)
    publish(ARGV[i], guessed, reply[i - 3])
  end
  return reply
end

open()
if call('ZSCORE', once, '') ~= epoch then
  -- What it remembers belongs to a history that is gone.
  call('DEL', once)
end

local texts = {}
local noted = {}

local function textOf(key)
  texts[key] = texts[key] or call('GET', key) or ''
  return texts[key]
end

--- The n that a key got in this history, or nil.
local function find(given)
  local name = string.sub(given, 2)
  if string.sub(given, 1, 1) == '=' then
    return tonumber(call('ZSCORE', once, name) or nil)
  end
  if noted[name] then
    return noted[name]
  end
  for _, key in ipairs({ log, older }) do
    local lines = textOf(key)
    local from = string.find(lines, name .. ' ', 1, true)
    while from do
      local line = string.match(lines, '[^\n]*', from)
      local lineEpoch, last = string.match(line, ' (%d+)%-(%d+)$')
      if lineEpoch == epoch then
        local _, spaces = string.gsub(line, ' ', ' ')
        return tonumber(last) - (spaces - 1)
      end
      -- It had a place in a history that is gone, and may have one in this.
      from = string.find(lines, name .. ' ', from + 1, true)
    end
  end
  return nil
end

if ARGV[3] ~= '' and not find('?' .. ARGV[3]) then
  return redis.error_reply('ORDER the events before these have not been published')
end

--- Whether an announcement is news; if so it is noted.
local function isNews(version)
  local announced = tonumber(call('GET', KEYS[5]) or nil)
  if announced and tonumber(version) <= announced then
    return false
  end
  call('SET', KEYS[5], version, 'PX', TTL_MS)
  return not announced or (tonumber(version) - announced) % 2 ~= 0
end

local reply = { '' }
for i = 5, #ARGV, 4 do
  local packet, json, key, version = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local kind, name = string.sub(key, 1, 1), string.sub(key, 2)
  local seen
  if kind ~= '+' then
    seen = find(key)
  end
  if not seen and version ~= '' and not isNews(version) then
    seen = n
  end
  if not seen then
    n = n + 1
    local offset = offsetOf(n)
    if version == '' then
      call('XADD', history, 'MAXLEN', HISTORY_LIMIT, offset, 'event', json)
    else
      call('XADD', history, 'MAXLEN', HISTORY_LIMIT, offset, 'event', json, 'version', version)
    end
    if kind == '=' then
      call('ZADD', once, n, name)
    else
      noted[name] = n
      note(name .. ' ' .. offset .. '\n')
    end
    publish(packet, ARGV[1], offset)
  end
  reply[#reply + 1] = offsetOf(seen or n)
  reply[#reply + 1] = seen and 1 or 0
end
reply[1] = offsetOf(n)
if ARGV[4] ~= '' then
  note(ARGV[4] .. ' ' .. reply[1] .. '\n')
end

local keys = call('ZCARD', once)
if keys > 0 then
  call('ZADD', once, epoch, '')
  -- One more for the epoch, which has the highest score. Some at once: each removal costs as much as an event.
  if keys > MAX_KEYS * 1.01 then
    call('ZREMRANGEBYRANK', once, 0, -2 - MAX_KEYS)
  end
  call('PEXPIRE', once, TTL_MS)
end
call('PEXPIRE', history, TTL_MS)
call('PEXPIRE', log, TTL_MS)
return reply
