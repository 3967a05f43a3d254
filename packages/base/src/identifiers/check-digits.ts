/** True when the last digit is the Luhn (mod 10) check digit of the others. Needs at least two digits. */
export function isLuhn(digits: string): boolean {
  if (!/^[0-9]{2,}$/.test(digits)) return false
  const sum = Array.from(digits)
    .toReversed()
    .reduce((total, digit, index) => {
      const value = Number(digit) * (index % 2 === 1 ? 2 : 1)
      return total + Math.floor(value / 10) + (value % 10)
    }, 0)
  return sum % 10 === 0
}

// The dihedral group D5: multiplication, and the permutation by position (Verhoeff 1969).
const MULTIPLY = [
  '0123456789',
  '1234067895',
  '2340178956',
  '3401289567',
  '4012395678',
  '5987604321',
  '6598710432',
  '7659821043',
  '8765932104',
  '9876543210',
]
const PERMUTE = [
  '0123456789',
  '1576283094',
  '5803796142',
  '8916043527',
  '9453126870',
  '4286573901',
  '2793806415',
  '7046913258',
]

/** True when the last digit is the Verhoeff check digit of the others. Needs at least two digits. */
export function isVerhoeff(digits: string): boolean {
  if (!/^[0-9]{2,}$/.test(digits)) return false
  const sum = Array.from(digits)
    .toReversed()
    .reduce((state, digit, index) => {
      const permuted = Number(PERMUTE[index % 8]?.[Number(digit)])
      return Number(MULTIPLY[state]?.[permuted])
    }, 0)
  return sum === 0
}

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ*'

/** The ISO 7064 MOD 37-2 check character of digits and capital letters; null for anything else. */
export function mod37Character(payload: string): string | null {
  if (!/^[0-9A-Z]+$/.test(payload)) return null
  const sum = Array.from(payload).reduce((total, character) => ((total + ALPHABET.indexOf(character)) * 2) % 37, 0)
  return ALPHABET[(38 - sum) % 37] ?? null
}

/** True when the last digit is the GS1 check digit of the others: weights 3 and 1 from the right. */
export function isGs1(digits: string): boolean {
  if (!/^[0-9]{2,}$/.test(digits)) return false
  const sum = Array.from(digits)
    .toReversed()
    .reduce((total, digit, index) => total + Number(digit) * (index % 2 === 1 ? 3 : 1), 0)
  return sum % 10 === 0
}
