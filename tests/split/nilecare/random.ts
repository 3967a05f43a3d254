/** A number in [0, 2^32) that depends on seed and index alone, so that every value can be computed without those before it. */
export function hash(seed: number, index: number): number {
  let mixed = Math.imul(index + 0x9e3779b9, 0x85ebca6b) ^ seed
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x7feb352d)
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x846ca68b)
  return (mixed ^ (mixed >>> 16)) >>> 0
}

/** A seed for a name: FNV-1a. */
export function seedOf(name: string, seed: number): number {
  let value = 0x811c9dc5 ^ seed
  for (let at = 0; at < name.length; at++) value = Math.imul(value ^ name.charCodeAt(at), 0x01000193)
  return value >>> 0
}

/** So many hexadecimal digits. */
export function hexDigits(seed: number, index: number, digits: number): string {
  let text = ''
  for (let part = 0; text.length < digits; part++) {
    text += hash(seed + part * 0x51ed27, index)
      .toString(16)
      .padStart(8, '0')
  }
  return text.slice(0, digits)
}

/** A UUID of version 4; another index gives another UUID. */
export function uuid(seed: number, index: number): string {
  const hex = hexDigits(seed, index, 12)
  return `${index.toString(16).padStart(8, '0')}-${hex.slice(0, 4)}-4${hex.slice(4, 7)}-a${hex.slice(7, 10)}-${hexDigits(seed + 1, index, 12)}`
}
