import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** First argument of `test` and `describe`: a string or a template, in one piece. */
const TITLE = /\b(?:test|describe)\(\s*(['"`])((?:\\.|(?!\1)[^\\])*)\1/g

/** The first title of a test in `file` that contains `part`, with `…` for what is filled in; null when there is none. */
export function findTitle(root: string, file: string, part: string): string | null {
  const path = join(root, file)
  if (part === '' || !existsSync(path)) return null
  const titles = [...readFileSync(path, 'utf8').matchAll(TITLE)].map(([, , title = '']) => title)
  const found = titles.find((title) => title.includes(part))
  return found?.replaceAll(/\$\{[^}]*\}/g, '…').replaceAll(/\\(.)/g, '$1') ?? null
}
