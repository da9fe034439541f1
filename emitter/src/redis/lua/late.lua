-- Calls that come late: a part of every script that publishes.
--
-- A connection that was given up can still deliver what was written to it, seconds after the same call was repeated on
-- another one. A key that has just been made up is new to its maker, and yet the history may have seen it by then: behind
-- the place that the publisher had been answered last when it sent the call. All of this is asked before anything is done.

--- As much of the newest line of a log as tells its offset.
local LAST_BYTES = 40

--- @return the n of the newest made-up key that a history has seen, or 0
local function newestKeyedPlace(log, older)
  local last = redis.call('GETRANGE', log, -LAST_BYTES, -1)
  if last == '' then
    last = redis.call('GETRANGE', older, -LAST_BYTES, -1)
  end
  return tonumber(string.match(last, '%-(%d+)\n$') or 0)
end

--- The lines of the made-up keys that a history has seen behind a place, and perhaps some before it.
--- @return nil where there are too many to look through here
local function keysSince(log, older, place)
  local bytes = 1024
  while bytes <= MAX_LATE_BYTES do
    local lines = redis.call('GETRANGE', log, -bytes, -1)
    local isAll = false
    if #lines < bytes then
      local rest = redis.call('GETRANGE', older, #lines - bytes, -1)
      lines = rest .. lines
      isAll = #lines < bytes
    end
    -- The first line may be cut off in front, but its offset is at its end.
    local first = tonumber(string.match(lines, '%-(%d+)\n') or nil)
    if isAll or (first and first <= place) then
      return lines
    end
    bytes = bytes * 4
  end
  return nil
end

--- Whether one of the made-up keys of a call may have been seen behind a place.
--- @param line of the call, '<key> <key> ... <offset>\n'
--- @return true as well where that cannot be told here
local function mayBeLate(log, older, line, place)
  local lines = keysSince(log, older, place)
  if not lines then
    return true
  end
  for key in string.gmatch(line, '[^ \n]+ ') do
    if string.find(lines, key, 1, true) then
      return true
    end
  end
  return false
end
