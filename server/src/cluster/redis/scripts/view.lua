-- Looks at the presence of sessions: so many teachers of each and no more, whoever has put them there.
--
-- A set that is longer is seen in part, and always the same part: what is wrong there is mended, and others are seen then.
-- A member that is longer than any of ours is of nobody, and could not be told: it is taken out.
--
-- KEYS     sets of teachers; behind them the newest versions that were announced
-- ARGV[1]  how many teachers at most
-- ARGV[2]  how many of the keys are sets
--
-- In front of this text comes MAX_NAME_BYTES.
--
-- Returns  for each set { how many things were not as ours; teachers }; for each version its text, or 0 where it is not as ours
local MAX_DIGITS = 16
local most, sets = tonumber(ARGV[1]), tonumber(ARGV[2])

--- @return what was read, or nil where somebody else uses the key; an error reply for anything else
local function read(...)
  local found = redis.pcall(...)
  if type(found) == 'table' and found.err then
    if string.sub(found.err, 1, 9) == 'WRONGTYPE' then
      return nil
    end
    error(found)
  end
  return found
end

local reply = {}
for i = 1, sets do
  local found = read('SSCAN', KEYS[i], 0, 'COUNT', most)
  local bad = found and 0 or 1
  local teachers = { 0 }
  for _, member in ipairs(found and found[2] or {}) do
    if #member > MAX_NAME_BYTES then
      redis.pcall('SREM', KEYS[i], member)
      bad = bad + 1
    elseif #teachers <= most then
      teachers[#teachers + 1] = member
    end
  end
  teachers[1] = bad
  reply[i] = teachers
end
for i = sets + 1, #KEYS do
  reply[i] = read('GETRANGE', KEYS[i], 0, MAX_DIGITS) or 0
end
return reply
