import { isGs1, isLuhn, isVerhoeff, mod37Character } from './check-digits.ts'

// The same answers as the functions of schema/core (valid_*, looks_like_*): vectors.json is tried on both. Arithmetic and
// form only; whether a code exists is a question for its code system.

/** SNOMED CT identifier: 6 to 18 digits, a known partition, Verhoeff. */
export function isSctid(code: string): boolean {
  return (
    /^[1-9][0-9]{5,17}$/.test(code) &&
    ['00', '01', '02', '10', '11', '12'].includes(code.slice(-3, -1)) &&
    isVerhoeff(code)
  )
}

/** LOINC code: up to seven digits, a hyphen, mod 10. */
export function isLoinc(code: string): boolean {
  return /^[0-9]{1,7}-[0-9]$/.test(code) && isLuhn(code.replace('-', ''))
}

/** ISBT 128 donation identification number, 13 characters; `check` is its check character where one was read. */
export function isIsbtDin(din: string, check?: string): boolean {
  if (!/^[A-NP-Z1-9][A-Z0-9]{4}[0-9]{8}$/.test(din)) return false
  return check === undefined || mod37Character(din) === check
}

/** GTIN of 8, 12, 13 or 14 digits (GS1 General Specifications). */
export function isGtin(gtin: string): boolean {
  return /^([0-9]{8}|[0-9]{12,14})$/.test(gtin) && isGs1(gtin)
}

const BASE_36 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ'

/** Indian GST number: state, tax number, entity, Z, check character in base 36 with factors 1 and 2. */
export function isGstin(gstin: string): boolean {
  if (!/^[0-9]{2}[A-Z]{5}[0-9]{4}[A-Z][1-9A-Z]Z[0-9A-Z]$/.test(gstin)) return false
  const sum = Array.from(gstin.slice(0, 14)).reduce((total, character, index) => {
    const product = BASE_36.indexOf(character) * (index % 2 === 0 ? 1 : 2)
    return total + Math.floor(product / 36) + (product % 36)
  }, 0)
  return BASE_36[(36 - (sum % 36)) % 36] === gstin[14]
}

/** ABHA number: 14 digits, plain or as 2-4-4-4. No check digit is published. */
export function isAbhaNumber(number: string): boolean {
  return /^([0-9]{14}|[0-9]{2}-[0-9]{4}-[0-9]{4}-[0-9]{4})$/.test(number)
}

/** ABHA address: handle@suffix. */
export function isAbhaAddress(address: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._]{1,48}[A-Za-z0-9]@[a-z]{2,12}$/.test(address)
}

export function isIcd10(code: string): boolean {
  return /^[A-Z][0-9][0-9A-Z](\.[0-9A-Z]{1,4})?$/.test(code)
}

export function isDicomUid(uid: string): boolean {
  return /^[0-2](\.(0|[1-9][0-9]*))+$/.test(uid) && uid.length <= 64
}

/** Indian bank branch code. */
export function isIfsc(code: string): boolean {
  return /^[A-Z]{4}0[A-Z0-9]{6}$/.test(code)
}

/** Indian income tax number; the fourth letter is the kind of holder. */
export function isIncomeTaxPan(number: string): boolean {
  return /^[A-Z]{3}[ABCFGHJLPT][A-Z][0-9]{4}[A-Z]$/.test(number)
}

export function isPinCode(code: string): boolean {
  return /^[1-9][0-9]{5}$/.test(code)
}

export function isIndianMobile(number: string): boolean {
  return /^\+91[6-9][0-9]{9}$/.test(number)
}

/**
 * True when a text holds 12 digits (first 2 to 9, in any usual grouping) that pass the Verhoeff test and are no part of a
 * longer word: the digits of a UUID do not count.
 */
export function looksLikeAadhaar(text: string): boolean {
  const found = text.matchAll(
    /(?<![0-9A-Za-z])(?<![0-9A-Za-z]-)([2-9][0-9]{3})[ -]?([0-9]{4})[ -]?([0-9]{4})(?![0-9A-Za-z])(?!-[0-9A-Za-z])/g,
  )
  return [...found].some(([, a = '', b = '', c = '']) => isVerhoeff(a + b + c))
}

/**
 * True when a text holds what looks like a payment card number: 13 to 19 digits, an issuer's range, right Luhn digit. The
 * digits of UUIDs and hashes are passed over: one in ten would pass the test.
 */
export function looksLikeCardNumber(text: string): boolean {
  const words = text.replaceAll(
    /(?<![0-9a-f])(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{20,})(?![0-9a-f])/gi,
    '#',
  )
  const found = words.matchAll(/(?<![0-9])[0-9](?:[ -]?[0-9]){12,18}(?![0-9])/g)
  return [...found].some(([candidate]) => {
    const digits = candidate.replaceAll(/[^0-9]/g, '')
    return /^(4|5[0-8]|2[2-7]|3[4-9]|6|81|82)/.test(digits) && isLuhn(digits)
  })
}
