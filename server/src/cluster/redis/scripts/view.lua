-- Looks at the presence of sessions: so many teachers of each and no more, whoever has put them there.
--
-- A set that is longer is seen in part, and always the same part: what is wrong there is mended, and others are seen then.
-- A member that is longer than any of ours is of nobody, and could not be told: it is taken out.
--
-- KEYS     for each session: its set of teachers; the newest version that was announced
-- ARGV[1]  how many teachers at most
--
-- In front of this text comes MAX_NAME_BYTES.
--
-- Returns  for each session { the version or ''; how many things were not as ours; teachers }
local MAX_DIGITS = 16
local most = tonumber(ARGV[1])

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
for i = 1, #KEYS, 2 do
  local version = read('GETRANGE', KEYS[i + 1], 0, MAX_DIGITS)
  local found = read('SSCAN', KEYS[i], 0, 'COUNT', most)
  local bad = (version and 0 or 1) + (found and 0 or 1)
  local session = { version or '', 0 }
  for _, member in ipairs(found and found[2] or {}) do
    if #member > MAX_NAME_BYTES then
      redis.pcall('SREM', KEYS[i], member)
      bad = bad + 1
    elseif #session < most + 2 then
      session[#session + 1] = member
    end
  end
  session[2] = bad
  reply[#reply + 1] = session
end
return reply
