import type { Routine } from '../model.ts'

/** A statement that makes a routine, for the parser: its body between quotes that it cannot hold. */
export function createText({ kind, arguments: parameters, returns, language, body }: Routine): string {
  const tag = body.includes('$body$') ? '$imhotep_body$' : '$body$'
  const result = kind === 'procedure' || returns === '' ? '' : ` returns ${returns}`
  return `create ${kind === 'procedure' ? 'procedure' : 'function'} f(${parameters})${result} language ${language} as ${tag}${body}${tag}`
}
