import { sqlTokens } from './split-sql.ts'

export interface DeclaredValue {
  /** The variable's name, as PL/pgSQL folds it. */
  readonly name: string
  /** The expression that it starts with, as written. */
  readonly text: string
}

/**
 * What the variables of a PL/pgSQL body start with, given the DO block or CREATE FUNCTION around it: the parser leaves
 * out that of records and rows.
 */
export function declaredValues(createText: string): DeclaredValue[] {
  return sqlTokens(createText).flatMap(({ text }) => valuesIn(bodyText(text)))
}

function bodyText(token: string): string {
  const [, , dollar, quoted] = /^(?:(\$\w*\$)(.*)\1|'(.*)')$/s.exec(token) ?? []
  return dollar ?? quoted?.replaceAll("''", "'") ?? ''
}

function valuesIn(body: string): DeclaredValue[] {
  const values: DeclaredValue[] = []
  let isDeclaring = false
  let name: string | null = null
  let start: number | null = null
  for (const { text: token, start: at, end, depth } of sqlTokens(body)) {
    const word = token.toLowerCase()
    if (word === 'declare' || word === 'begin') {
      isDeclaring = word === 'declare'
      continue
    }
    if (!isDeclaring || depth > 0) continue
    if (word === ';') {
      if (name !== null && start !== null) values.push({ name, text: body.slice(start, at) })
      name = null
      start = null
    } else if (name === null) name = token.startsWith('"') ? token.slice(1, -1).replaceAll('""', '"') : word
    else if (word === '=' || word === 'default') start ??= end
  }
  return values
}
