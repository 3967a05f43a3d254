import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Context } from '../context.ts'
import { FileError } from '../errors.ts'

/** The owner map that the options name. */
export function mapFile({ options, cwd }: Context): string {
  return resolve(cwd, options.text('map') ?? 'owners.yaml')
}

/** A file that must be there. */
export function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new FileError(`'${file}' cannot be read`, 'check the path', { cause })
  }
}
