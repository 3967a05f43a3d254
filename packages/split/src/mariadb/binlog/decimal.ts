import type { Cursor } from './cursor.ts'

/** Bytes of a group of 0 to 9 digits. */
const bytesOf = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4] as const
const perGroup = 9

/** A DECIMAL as its digits: nine to four bytes, the first bit turned round, all bits turned round when it is negative. */
export function readDecimal(cursor: Cursor, precision: number, scale: number): string {
  const whole = precision - scale
  const sizes = [
    whole % perGroup,
    ...Array.from({ length: Math.floor(whole / perGroup) }, () => perGroup),
    -1,
    ...Array.from({ length: Math.floor(scale / perGroup) }, () => perGroup),
    scale % perGroup,
  ]
  const length = sizes.reduce((sum, digits) => sum + (bytesOf[digits] ?? 0), 0)
  const bytes = Buffer.from(cursor.take(length))
  const isNegative = ((bytes[0] as number) & 0x80) === 0
  bytes[0] = (bytes[0] as number) ^ 0x80
  if (isNegative) for (let at = 0; at < bytes.length; at++) bytes[at] = ~(bytes[at] as number)
  let at = 0
  let text = ''
  for (const digits of sizes) {
    if (digits === -1) {
      text = text.replace(/^0+/, '') || '0'
      if (scale > 0) text += '.'
      continue
    }
    const size = bytesOf[digits] as number
    if (size === 0) continue
    text += String(bytes.readUIntBE(at, size)).padStart(digits, '0')
    at += size
  }
  return isNegative && /[1-9]/.test(text) ? `-${text}` : text
}
