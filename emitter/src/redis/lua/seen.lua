-- Which idempotency keys a room's history has seen: a part of `publish.lua`.
--
-- Keys that callers gave are in a sorted set, each with the n of its event. Keys that publishers made up are in a log: a
-- line '<key> <key> ... <offset of the last one>' for each call. A long log is not cut, which would take Redis
-- milliseconds, but takes the place of the one before. All of them begin and end with the history.

--- Notes new keys in the log.
--- @return an error reply where that cannot be done, else nil
local function note(log, older, line)
  local size = redis.pcall('APPEND', log, line)
  if type(size) ~= 'number' then
    return size
  end
  if size == #line then
    redis.pcall('PEXPIRE', log, TTL_MS)
  elseif size > MAX_LOG_BYTES then
    redis.pcall('RENAME', log, older)
  end
end

--- @param logs the two logs
--- @param epochAt the epoch in which a number was given: what the history has lost, its keys have not seen
--- @return the offset that a key has in one of them, or nil
local function offsetInLogs(logs, key, epochAt)
  for _, lines in ipairs(logs) do
    local from = string.find(lines, key .. ' ', 1, true)
    while from do
      local line = string.match(lines, '[^\n]*', from)
      local epoch, last = string.match(line, ' (%d+)%-(%d+)$')
      if epoch and epochAt(tonumber(last)) == epoch then
        local _, spaces = string.gsub(line, ' ', ' ')
        return epoch .. '-' .. string.format('%.0f', tonumber(last) - (spaces - 1))
      end
      from = string.find(lines, key .. ' ', from + 1, true)
    end
  end
end
