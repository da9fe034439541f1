-- Appends events to a room's history and publishes them to the room's members on every replica.
--
-- Atomic, so that the order of the history is the order of delivery, an offset is never given twice, and a retry
-- cannot slip in between the check of its idempotency key and the append.
--
-- Whatever is refused half-way: what was not published is not in history. So the right to publish is asked for first.
-- The first command that writes is the append: Redis asks it whether there is memory, and lets pass what comes after.
--
-- In front of this text the publisher puts the other parts, and what never changes:
--   PUBLISH        'PUBLISH' or 'SPUBLISH'
--   HISTORY_LIMIT  newest events to keep
--   LIGHT_BYTES, MAX_EXCESS  see `weigh.lua`
--   TTL_MS         expiry of all keys, in milliseconds
--   FLEETING_TTL_MS  the same for a room in which nothing but states has been announced: whoever is in it renews that
--   MAX_KEYS       newest idempotency keys to keep
--   MAX_LOG_BYTES  length at which the log of new keys is put aside for a new one
--
-- KEYS[1]  history stream of the room, 'history:{<channel>}'
-- KEYS[2]  log of the keys that publishers made up (see `seen.lua`)
-- KEYS[3]  the log before it
-- KEYS[4]  epochs of the history (see `standing.lua`)
-- KEYS[5]  sorted set of the keys that callers gave
-- KEYS[6]  newest version announced to the room (see `version`)
-- KEYS[7]  long events of the history (see `weigh.lua`)
-- ARGV[1]  what every packet holds instead of its offset, as a fixstr of MessagePack
-- ARGV[2]  bytes of a packet after its offset
-- ARGV[3]  '', or the mark of the call without which nothing is published, because these events go on with its array
-- ARGV[4]  '', or the mark of this call: a key that it notes in any case (a short call has it in front of its line)
-- ARGV[5]  '', or the newest epoch that the publisher knows of: a new one is later
-- ARGV[6]  '', or the offset that the publisher had been answered last
-- then for each event
--          Socket.IO packet
--          event, as JSON
--          idempotency key, after '+' for one that has just been made up, '?' for one that was and has been tried, '='
--          for one that the caller gave
--          version of the state that the event announces, or ''. Odd and even versions alternate between the two
--          states. An older version than the newest announced, or one that announces the same state again, is not
--          published.
--
-- Returns  { incarnation of Redis, offset of the last event that was appended or '',
--            seconds of Redis's clock, microseconds,
--            offset of the first event, 1 where nothing new was published, else 0, and so on }
local call, pcall = redis.call, redis.pcall
local history, log, older, epochsKey, once, announcedKey, heavy = unpack(KEYS)
local held, tail, goesOnWith, mark, knownEpoch, answered = unpack(ARGV, 1, 6)
local FIRST_EVENT = 7
local MAX_VERSION = 2 ^ 52

if string.sub(history, 1, 9) ~= 'history:{' then
  return redis.error_reply('PREFIX the client changes the names of keys, and channels are made of them')
end
local channel = string.sub(history, 10, -2)

if not mayPublish(redis.acl_check_cmd, PUBLISH, channel, KEYS) then
  mayPublish(mayOrNote, PUBLISH, channel, KEYS)
  return redis.error_reply('NOPERM this user lacks ' .. lacks .. ': see the README for the rules that it needs')
end
-- Somebody else's keys under these names: told before anything is done, too.
for key, kind in pairs({ [log] = 'string', [older] = 'string', [epochsKey] = 'string', [announcedKey] = 'string', [once] = 'zset', [heavy] = 'zset' }) do
  local is = call('TYPE', key).ok
  if is ~= 'none' and is ~= kind then
    return redis.error_reply('WRONGTYPE a key of this room is used by somebody else: ' .. key)
  end
end

local here = incarnationOfRedis()
local incarnation, epoch, ends = epochsOf(epochsKey)
--- What is remembered beside a history that is gone belongs to that one.
local isThere = call('EXISTS', history) == 1
if isThere and not epoch then
  -- The epochs alone are gone, by a policy that evicts.
  epoch, ends = epochsIn(history)
end

--- The epoch in which a number of this history was given. Another one may have given it before, and lost it.
local function epochAt(n)
  for earlier, last in string.gmatch(ends, ' (%d+):(%d+)') do
    if n <= tonumber(last) then
      return earlier
    end
  end
  return epoch
end

local logs
local noted = {}
local linesSince

--- Whether a key that has just been made up is surely none that has come before: it has not come behind the place that the
--- publisher knew when it made the key.
local function isNew(key)
  local knownPlace = string.match(answered, '^' .. (epoch or '') .. '%-(%d+)$')
  if not knownPlace or incarnation ~= here then
    return false
  end
  if linesSince == nil then
    linesSince = keysSince(log, older, tonumber(knownPlace)) or false
  end
  return linesSince and not string.find(linesSince, key .. ' ', 1, true)
end

--- @return the offset that the key got in this history, or nil
local function find(kind, key)
  if not isThere then
    return nil
  elseif kind == '=' then
    local n = tonumber(call('ZSCORE', once, key) or nil)
    return n and epochAt(n) .. '-' .. string.format('%.0f', n)
  end
  if kind == '+' and isNew(key) then
    return nil
  end
  logs = logs or { call('GET', log) or '', call('GET', older) or '' }
  return noted[key] or offsetInLogs(logs, key, epochAt)
end

local function add(id, json, version)
  if version == '' then
    return pcall('XADD', history, 'MAXLEN', HISTORY_LIMIT, id, 'event', json)
  end
  return pcall('XADD', history, 'MAXLEN', HISTORY_LIMIT, id, 'event', json, 'version', version)
end

--- @return the offset that the event gets, or an error reply
local function append(json, version)
  local lastEpoch, n
  if isThere and incarnation == here then
    local id = add(epoch .. '-*', json, version)
    if type(id) == 'string' and numberOf(id) > 0 then
      return id
    elseif type(id) == 'string' then
      -- A history of an earlier epoch has come back under this name.
      call('XDEL', history, id)
      local newest = call('XREVRANGE', history, '+', '-', 'COUNT', 1)[1]
      lastEpoch, n = string.match(newest and newest[1] or id, '^(%d+)-(%d+)$')
      n = tonumber(n)
    end
  end
  -- The first one of this incarnation, or of this history. (Or memory is full: then this fails in the same way.)
  if not lastEpoch then
    lastEpoch, n = newestPlaceOf(history)
  end
  local fresh = newEpoch(here, lastEpoch, epoch, knownEpoch)
  local id = add(fresh .. '-' .. string.format('%.0f', (n or 0) + 1), json, version)
  if type(id) ~= 'string' then
    return id
  end
  if lastEpoch then
    ends = withEnd(ends, lastEpoch, n)
  else
    ends = ''
    call('DEL', log, older, once, heavy)
  end
  if incarnation ~= here then
    -- It may have forgotten what was announced last. Whoever knows that is not told it again.
    call('DEL', announcedKey)
  end
  epoch, incarnation, isThere = fresh, here, true
  call('SET', epochsKey, here .. ' ' .. epoch .. ends, 'PX', TTL_MS)
  return id
end

--- Whether an announcement is news. A newer version of the same state is none, but makes those before it old.
local function isNews(version)
  local announced = incarnation == here and tonumber(call('GET', announcedKey) or nil)
  -- What no change has made is none: nothing later would be news.
  if not announced or not (announced > 0 and announced < MAX_VERSION) then
    return true
  elseif tonumber(version) <= announced then
    return false
  elseif (tonumber(version) - announced) % 2 ~= 0 then
    return true
  end
  call('SET', announcedKey, version, 'PX', TTL_MS)
  return false
end

--- Notes what must not be published again.
--- @return an error reply where that cannot be done, else nil
local function remember(kind, key, id, version)
  local failure
  if kind == '=' then
    failure = pcall('ZADD', once, string.match(id, '%d+$'), key)
  else
    noted[key] = id
    failure = note(log, older, key .. ' ' .. id .. '\n')
  end
  if version ~= '' and not (type(failure) == 'table' and failure.err) then
    failure = pcall('SET', announcedKey, version, 'PX', TTL_MS)
  end
  return type(failure) == 'table' and failure.err and failure or nil
end

if goesOnWith ~= '' and not find('?', goesOnWith) then
  return redis.error_reply('ORDER the events before these have not been published')
end

local time = call('TIME')
local reply = { here, '', time[1], time[2] }
--- A call has announcements alone, or none.
local isAnnouncement = ARGV[FIRST_EVENT + 3] ~= ''
for i = FIRST_EVENT, #ARGV, 4 do
  local packet, json, key, version = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local kind, name = string.sub(key, 1, 1), string.sub(key, 2)
  local seen = find(kind, name)
  if not seen and isThere and version ~= '' and not isNews(version) then
    local newestEpoch, n = newestPlaceOf(history)
    seen = newestEpoch .. '-' .. string.format('%.0f', n)
  end
  if not seen then
    local id = append(json, version)
    if type(id) ~= 'string' then
      return id
    end
    local failure = weigh(history, heavy, id, json) or remember(kind, name, id, version)
    if failure then
      call('XDEL', history, id)
      return failure
    end
    call(PUBLISH, channel, withOffset(packet, held, tonumber(tail), id))
    reply[2] = id
  end
  reply[#reply + 1] = seen or reply[2]
  reply[#reply + 1] = seen and 1 or 0
end

if mark ~= '' then
  local newestEpoch, n = newestPlaceOf(history)
  local place = newestEpoch .. '-' .. string.format('%.0f', n)
  local failure = note(log, older, mark .. ' ' .. place .. '\n')
  if failure then
    -- A full Redis, and nothing new in this call: the next one would not find what it goes on with.
    return failure
  end
end
-- Some at once: each removal costs as much as an event.
if call('ZCARD', once) > MAX_KEYS * 1.01 then
  call('ZREMRANGEBYRANK', once, 0, -1 - MAX_KEYS)
end
local ttl = TTL_MS
if isAnnouncement and call('PTTL', history) <= FLEETING_TTL_MS then
  ttl = FLEETING_TTL_MS
end
for _, key in ipairs({ history, epochsKey, log, once, announcedKey, heavy }) do
  call('PEXPIRE', key, ttl)
end
return reply
