import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { TestContext } from 'node:test'

/** Writes files (path -> text) into a new directory that is removed when the test ends. For tests only. */
export async function writeFixture(t: TestContext, files: Record<string, string>): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'imhotep-modules-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(directory, path)), { recursive: true })
    await writeFile(join(directory, path), text)
  }
  return directory
}

/** The text of a module.json; `schema` is the module's name. */
export function manifest(schema: string, requires: string[] = [], cycles?: string[]): string {
  return JSON.stringify({ schema, service: schema, requires, purpose: `The ${schema}.`, ...(cycles && { cycles }) })
}
