import { resolve } from 'node:path'
import type { Context } from '../context.ts'

/** The owner map that the options name. */
export function mapFile({ options, cwd }: Context): string {
  return resolve(cwd, options.text('map') ?? 'owners.yaml')
}
