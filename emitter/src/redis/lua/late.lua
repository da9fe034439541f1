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
  local newest = redis.call('GETRANGE', log, -bytes, -1)
  if #newest < bytes then
    newest = redis.call('GETRANGE', older, #newest - bytes, -1) .. newest
  end
  for key in string.gmatch(line, '[^ \n]+ ') do
    if string.find(newest, key, 1, true) then
      return true
    end
  end
  return false
end
