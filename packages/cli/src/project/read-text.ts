import { readFileSync } from 'node:fs'
import { FileError } from '../errors.ts'

/** A file that must be there. */
export function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new FileError(`'${file}' cannot be read`, 'check the path', { cause })
  }
}
