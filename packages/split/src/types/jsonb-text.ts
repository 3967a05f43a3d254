/** Why a JSON text would not survive as jsonb. */
export interface JsonFindings {
  duplicateKeys: number
  /** \u0000, halves of surrogate pairs, or control characters that JSON does not allow. */
  refusedTexts: number
}

const maxDigits = 131_072

/**
 * The text that PostgreSQL prints for `text::jsonb`: keys by length and bytes, the last of equal ones, numbers as numeric.
 * Digests of JSON on a server without jsonb are made of it. Counts what would be lost in `findings`.
 */
export function jsonbText(text: string, findings?: JsonFindings): string {
  let at = 0
  let refused = false
  let duplicates = false

  function space(): void {
    while (at < text.length && ' \t\n\r'.includes(text[at] as string)) at++
  }

  function value(): string {
    space()
    const char = text[at]
    if (char === '{') return object()
    if (char === '[') return array()
    if (char === '"') return quote(string())
    const start = at
    while (at < text.length && !',]} \t\n\r'.includes(text[at] as string)) at++
    const token = text.slice(start, at)
    return /^[-\d]/.test(token) ? numeric(token) : token
  }

  function object(): string {
    const members = new Map<string, string>()
    at++
    for (space(); text[at] !== '}' && at < text.length; space()) {
      if (text[at] === ',') at++
      space()
      const key = string()
      space()
      at++
      if (members.has(key)) duplicates = true
      members.set(key, value())
    }
    at++
    const sorted = [...members].map(([key, member]) => ({ key: Buffer.from(key), member, text: key }))
    sorted.sort((a, b) => a.key.length - b.key.length || a.key.compare(b.key))
    return `{${sorted.map((entry) => `${quote(entry.text)}: ${entry.member}`).join(', ')}}`
  }

  function array(): string {
    const items: string[] = []
    at++
    for (space(); text[at] !== ']' && at < text.length; space()) {
      if (text[at] === ',') at++
      items.push(value())
    }
    at++
    return `[${items.join(', ')}]`
  }

  function string(): string {
    const start = at++
    while (text[at] !== '"' && at < text.length) at += text[at] === '\\' ? 2 : 1
    at++
    const token = text.slice(start, at)
    try {
      const parsed = JSON.parse(token) as string
      if (/\0|\p{Surrogate}/u.test(parsed)) refused = true
      return parsed
    } catch {
      refused = true
      return token
    }
  }

  const result = value()
  if (findings && duplicates) findings.duplicateKeys++
  if (findings && refused) findings.refusedTexts++
  return result
}

/** JSON.stringify escapes the same characters as PostgreSQL, and DEL is plain in both. */
function quote(text: string): string {
  return JSON.stringify(text)
}

/** As numeric prints it: no exponent, scale kept, no sign of zero. */
function numeric(token: string): string {
  const [, sign = '', whole = '', decimals = '', exponent = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([-+]?\d+))?$/.exec(token) ?? []
  if (whole === '') return token
  const shift = Number(exponent)
  if (Math.abs(shift) > maxDigits) return token
  const digits = whole + decimals
  const point = whole.length + shift
  const left = point <= 0 ? '0' : digits.slice(0, point).padEnd(point, '0')
  const right = point <= 0 ? '0'.repeat(-point) + digits : digits.slice(point)
  const integer = left.replace(/^0+(?=\d)/, '')
  const number = right === '' ? integer : `${integer}.${right}`
  return /[1-9]/.test(number) ? sign + number : number
}
