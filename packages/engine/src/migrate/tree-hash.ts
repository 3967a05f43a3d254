import { isLocationKey, type ParsedStatement } from '../parse/parse-sql.ts'
import { sha256 } from './migration-file.ts'

/** What `normalisedHash` gives for a text, from statements that are parsed already: saves parsing a large file twice. */
export function treeHash(statements: readonly ParsedStatement[]): Buffer {
  const trees = statements.map(({ node }) => node)
  return sha256(JSON.stringify(trees, (key, value: unknown) => (isPosition(key, value) ? undefined : value)))
}

function isPosition(key: string, value: unknown): boolean {
  return typeof value === 'number' && isLocationKey(key)
}
