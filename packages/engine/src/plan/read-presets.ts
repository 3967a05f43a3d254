import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ModuleError } from '../modules/module-error.ts'

/** Named choices of modules; `*` stands for all. */
export type Presets = Record<string, string[]>

/**
 * Reads `presets.json` beside the modules; a directory without it has no presets.
 *
 * @throws ModuleError when the file is not `{"name": ["module", ...]}`.
 */
export async function readPresets(directory: string): Promise<Presets> {
  const path = join(directory, 'presets.json')
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '{}'
    throw error
  })
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    throw new ModuleError([`presets.json: is not JSON: ${(error as Error).message}`])
  }
  if (!isPresets(json)) throw new ModuleError(['presets.json: must map each name to a list of module names'])
  return json
}

function isPresets(json: unknown): json is Presets {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return false
  return Object.values(json).every((list) => Array.isArray(list) && list.every((name) => typeof name === 'string'))
}
