/** Turns an offset in UTF-8 bytes into one in UTF-16 units (what JavaScript strings count in). */
export type ByteOffsetMap = (byte: number) => number

/** The map for texts of ASCII alone. */
export const sameOffset: ByteOffsetMap = (byte) => byte

/** PostgreSQL counts bytes, JavaScript counts UTF-16 units: the map between the two for one text. */
export function byteOffsets(text: string): ByteOffsetMap {
  if (Buffer.byteLength(text) === text.length) return sameOffset

  const units = new Uint32Array(Buffer.byteLength(text) + 1)
  let byte = 0
  for (let unit = 0; unit < text.length; unit++) {
    const code = text.charCodeAt(unit)
    // The two halves of a pair make four bytes.
    const isPair = code >= 0xd800 && code <= 0xdbff && unit + 1 < text.length
    const bytes = code < 0x80 ? 1 : code < 0x800 ? 2 : isPair ? 4 : 3
    for (let n = 0; n < bytes; n++) units[byte++] = unit
    if (isPair) unit++
  }
  units.fill(text.length, byte)
  return (offset) => units[Math.min(offset, byte)] ?? text.length
}

/** The UTF-16 offset of the n-th character (code point) of a text. */
export function characterOffset(text: string, characters: number): number {
  let unit = 0
  for (let n = 0; n < characters && unit < text.length; n++) unit += (text.codePointAt(unit) ?? 0) > 0xffff ? 2 : 1
  return unit
}

/** Line and column, both counted from 1. */
export interface LineColumn {
  readonly line: number
  readonly column: number
}

/** Finds the line and column of an offset by binary search over the line starts. */
export function lineColumns(text: string): (offset: number) => LineColumn {
  const starts = [0]
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
  return (offset) => {
    let low = 0
    let high = starts.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if ((starts[middle] ?? 0) <= offset) low = middle
      else high = middle - 1
    }
    return { line: low + 1, column: offset - (starts[low] ?? 0) + 1 }
  }
}
