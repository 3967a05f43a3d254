import type { Routine } from '../../catalog/model.ts'

export interface Argument {
  readonly name: string
  readonly type: string
  readonly variadic: boolean
}

/** Names of the input arguments, from the text that PostgreSQL prints: `p_slot uuid, p_at timestamptz DEFAULT now()`. */
export function argumentsOf(routine: Routine): Argument[] {
  const texts = splitArguments(routine.arguments).filter((text) => !/^(OUT|TABLE) /i.test(text))
  return routine.argumentTypes.map((type, index) => {
    const text = (texts[index] ?? '').replace(/^(IN|INOUT) /i, '')
    const variadic = /^VARIADIC /i.test(text)
    const rest = text.replace(/^VARIADIC /i, '')
    const name = rest.startsWith(type) ? '' : (/^"?([A-Za-z_][A-Za-z0-9_]*)"? /.exec(rest)?.[1] ?? '')
    return { name, type, variadic }
  })
}

/** Splits at commas outside quotes and parentheses. */
export function splitArguments(text: string): string[] {
  const parts: string[] = []
  let depth = 0
  let quoted = false
  let part = ''
  for (const char of text) {
    if (char === "'") quoted = !quoted
    if (!quoted && (char === '(' || char === '[')) depth += 1
    if (!quoted && (char === ')' || char === ']')) depth -= 1
    if (char === ',' && depth === 0 && !quoted) {
      parts.push(part.trim())
      part = ''
    } else part += char
  }
  if (part.trim() !== '') parts.push(part.trim())
  return parts
}
