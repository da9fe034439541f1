-- Where a room's history stands: a part of every script that reads or writes one.
--
-- A number that was ever given must never be given to another event, also when Redis comes back with less than it had:
-- restarted from an older file, or replaced by a replica that lacked the newest events. So each incarnation of Redis
-- gives its numbers under an epoch of its own, as leader epochs do in Kafka (KIP-101). n counts on over all epochs of a
-- history, which remembers where its earlier epochs ended: a place up to such an end is in it, one behind it was lost.
--
-- The key of the epochs holds '<incarnation> <epoch>', and ' <epoch>:<last n>' for each earlier one, oldest first. It
-- changes only in a script that appends as well, so that both are lost, and kept, together.

--- Earlier epochs to remember: one for each time that Redis came back while the history was in use. What is older than
--- they are cannot be told from what was lost, and is not read any more.
local MAX_ENDS = 64
--- More than the longest text of all of them. Whatever is longer is somebody else's, and is taken for none.
local MAX_EPOCHS_BYTES = 4096

--- What tells this incarnation of Redis from those before: its replication id changes when the process begins anew, and
--- when a replica is promoted. '' for a replica, which has that of its primary.
local function incarnationOfRedis()
  local info = redis.call('INFO', 'replication')
  if not string.find(info, 'role:master', 1, true) then
    return ''
  end
  local _, before = string.find(info, 'master_replid:', 1, true)
  return string.sub(info, before + 1, before + 40)
end

--- @return incarnation, epoch and ends as the key has them; nil where there is no such key
local function epochsOf(key)
  local text = redis.call('GETRANGE', key, 0, MAX_EPOCHS_BYTES)
  if text == '' or #text > MAX_EPOCHS_BYTES then
    return nil, nil, ''
  end
  local incarnation, epoch, ends = string.match(text, '^(%x*) (%d+)(.*)$')
  return incarnation, epoch, ends or ''
end

--- @return epoch and n of the newest place of a history, or nil where there is none
local function newestPlaceOf(history)
  if redis.call('EXISTS', history) == 0 then
    return nil
  end
  -- A flat list of names and values. Not the newest entry: a history that has had no event has none.
  local info = redis.call('XINFO', 'STREAM', history)
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then
      local epoch, n = string.match(info[i + 1], '^(%d+)-(%d+)$')
      return epoch, tonumber(n)
    end
  end
end

--- What a history itself tells of its epochs, where the key of them is gone: what has left it is not in there.
--- @return epoch and ends
local function epochsIn(history)
  local newest = newestPlaceOf(history)
  local ends, later = '', newest
  for _ = 1, MAX_ENDS do
    -- No number is 0: what is found is of an earlier epoch.
    local entry = redis.call('XREVRANGE', history, later .. '-0', '-', 'COUNT', 1)[1]
    if not entry then
      break
    end
    local epoch, n = string.match(entry[1], '^(%d+)-(%d+)$')
    ends = ' ' .. epoch .. ':' .. n .. ends
    later = epoch
  end
  return newest, ends
end

--- A new epoch, later than those given, which may be nil or ''. The time in milliseconds, and three digits of the
--- incarnation, in case that its clock went back to when another one was there. Where its clock is behind, it is at random
--- among the next 2^28, some minutes: others whose clock was behind have begun from the same place, and have been lost.
local function newEpoch(incarnation, ...)
  local now = redis.call('TIME')
  local epoch = tonumber(now[1]) * 1000000
    + math.floor(tonumber(now[2]) / 1000) * 1000
    + (tonumber(string.sub(incarnation, 1, 4), 16) or 0) % 1000
  for i = 1, select('#', ...) do
    local before = tonumber((select(i, ...)) or nil)
    if before and epoch <= before then
      epoch = before + 1 + (tonumber(string.sub(incarnation, 5, 11), 16) or 0)
    end
  end
  return string.format('%.0f', epoch)
end

--- The ends of a history's earlier epochs, once another epoch has ended.
local function withEnd(ends, epoch, n)
  ends = ends .. ' ' .. epoch .. ':' .. string.format('%.0f', n)
  local _, count = string.gsub(ends, ' ', ' ')
  while count > MAX_ENDS do
    ends = string.gsub(ends, '^ [^ ]+', '')
    count = count - 1
  end
  return ends
end
