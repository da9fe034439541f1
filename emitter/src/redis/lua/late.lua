-- Calls that come late: a part of every script that publishes.
--
-- A connection that was given up can still deliver what was written to it, seconds after the same call was repeated on
-- another one. A key that has just been made up is new to its maker, and yet the history may have seen it by then.

--- Takes an entry that has just been appended out again, as if it had never been: the next one gets its number.
--- @param id of the newest entry
--- @param before the newest id before it
local function takeBack(history, id, before)
  redis.call('XDEL', history, id)
  redis.call('XSETID', history, before, 'ENTRIESADDED', redis.call('XLEN', history), 'MAXDELETEDID', '0-1')
end

--- The newest part of the keys that a history has seen.
--- @return it, and whether it is all
local function newestKeys(log, older, bytes)
  local newest = redis.call('GETRANGE', log, -bytes, -1)
  if #newest == bytes then
    return newest, false
  end
  local rest = redis.call('GETRANGE', older, #newest - bytes, -1)
  return rest .. newest, #rest + #newest < bytes
end

--- Whether this user may look for keys, and take an entry out again.
local function mayTakeBack(history, log)
  local may = redis.acl_check_cmd
  return may('GETRANGE', log, '0', '0')
    and may('XDEL', history, '0-1')
    and may('XLEN', history)
    and may('XSETID', history, '0-1')
end

--- Whether one of the made-up keys of a call is among those that came to a history last.
--- @param line of the call, '<key> <key> ... <offset>\n'
--- @param events how many events back to look, of which none has a longer line than MAX_LINE_BYTES
--- @return true as well where that is too far back to look here
local function mayBeLate(log, older, line, events)
  local bytes = events * MAX_LINE_BYTES
  if bytes <= 0 then
    return false
  elseif bytes > MAX_LATE_BYTES then
    return true
  end
  local newest = newestKeys(log, older, bytes)
  for key in string.gmatch(line, '[^ \n]+ ') do
    if string.find(newest, key, 1, true) then
      return true
    end
  end
  return false
end

--- The newest key that each maker has in a history, as a number.
local newestOf = {}

--- Whether a made-up key is later than all that its maker has in a history, as they count up: then it is new. Where that
--- cannot be told from the newest keys alone, it is not said.
local function isLaterThanAll(log, older, key)
  local maker, made, index = string.match(key, '^(~[^.]*%.)(%w+)\t?(%d*)$')
  if not maker then
    return false
  end
  local function place(number, position)
    return tonumber(number, 36) * 10000 + (tonumber(position) or 0)
  end
  if not newestOf[maker] then
    local newest, isAll = newestKeys(log, older, MAX_LATE_BYTES)
    newestOf[maker] = isAll and -1 or math.huge
    for number, position in string.gmatch(newest, string.gsub(maker, '%W', '%%%0') .. '(%w+)\t?(%d*) ') do
      local one = place(number, position)
      local known = newestOf[maker]
      newestOf[maker] = known == math.huge and one or math.max(known, one)
    end
  end
  local mine = place(made, index)
  if mine <= newestOf[maker] then
    return false
  end
  newestOf[maker] = mine
  return true
end
