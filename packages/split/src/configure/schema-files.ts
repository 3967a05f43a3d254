import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ServiceMigrations } from '../plan/split-plan.ts'

/** Writes a service's migrations; a file that says something else already is kept as `<file>.bak`. */
export function writeSchemaFiles(directory: string, { tables, keys, copies }: ServiceMigrations): void {
  mkdirSync(directory, { recursive: true })
  for (const [name, text] of [
    ['V001__tables.sql', tables],
    ['V002__keys.sql', keys],
    ['V003__copies.sql', copies],
  ] as const) {
    if (text === null) continue
    const file = join(directory, name)
    const before = existsSync(file) ? readFileSync(file, 'utf8') : null
    if (before === text) continue
    if (before !== null) copyFileSync(file, `${file}.bak`)
    writeFileSync(file, text)
  }
}
