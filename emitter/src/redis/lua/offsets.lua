-- Puts an event's offset into its packet: a part of every script that publishes.

--- @param held what the packet holds instead of its offset, as a fixstr of MessagePack
--- @param tail bytes of the packet after that
local function withOffset(packet, held, tail, offset)
  if offset == held then
    return packet
  end
  -- MessagePack's fixstr, or its str 8.
  local header = #offset < 32 and string.char(0xa0 + #offset) or string.char(0xd9, #offset)
  local head = string.sub(packet, 1, -tail - #held - 2)
  return head .. header .. offset .. string.sub(packet, -tail)
end

--- @return the n of an offset
local function numberOf(offset)
  return tonumber(string.match(offset, '%d+$'))
end

--- @return the offset so many places behind another one, or before it, of the same epoch
local function offsetBeside(offset, places)
  local cut = string.find(offset, '-', 1, true)
  return string.sub(offset, 1, cut) .. string.format('%.0f', string.sub(offset, cut + 1) + places)
end
