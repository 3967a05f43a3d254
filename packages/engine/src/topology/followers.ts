import { addedForeignKeys } from '../plan/foreign-keys.ts'
import { filteredGrant } from './filtered-grant.ts'
import { commented } from './subject.ts'
import type { Piece, Whole } from './whole.ts'

/** A service's database as far as it is decided. */
export interface Place {
  readonly whole: Whole
  readonly service: string
  readonly isHere: (schema: string) => boolean
  readonly isHome: (piece: Piece) => boolean
  /** What stands there, in the words of `Piece.makes`. */
  readonly made: ReadonlySet<string>
}

/** Comments, grants and foreign keys go with what they are about. */
export function isFollower({ statement: { node } }: Piece): boolean {
  return 'GrantStmt' in node || 'CommentStmt' in node || addedForeignKeys(node) !== null
}

/** A follower as it stands in a service's database: as it is, with a part of its objects and roles, or not at all. */
export function follow(piece: Piece, place: Place): Piece[] {
  const keys = addedForeignKeys(piece.statement.node)
  if (keys) return place.isHome(piece) && keys.every((key) => place.isHere(key.referencedSchema)) ? [piece] : []
  if ('GrantStmt' in piece.statement.node) return followingGrant(piece, place)
  return isAboutSomething(piece, place) ? [piece] : []
}

function followingGrant(piece: Piece, { whole, service, isHere, made }: Place): Piece[] {
  const { kernel, roles } = whole.options
  const others = [...whole.services.values()].filter((other) => other !== service && other !== kernel)
  const isPresent = (kind: string, name: string) => {
    const schema = name.split('.')[0] ?? ''
    if (kind === 'function') return made.has(`function ${name}`)
    if (kind === 'schema') return isHere(schema)
    const isRelation = whole.catalog.tables.has(name) || whole.catalog.views.has(name)
    return isRelation ? made.has(`table ${name}`) || made.has(`view ${name}`) : isHere(schema)
  }
  const statement = filteredGrant(piece.statement, isPresent, new Set(others.flatMap(roles)))
  return statement ? [{ ...piece, statement }] : []
}

function isAboutSomething(piece: Piece, { whole, isHere, isHome, made }: Place): boolean {
  const about = commented(piece.statement.node)
  if (!about) return isHome(piece) && piece.references.every(({ schema }) => isHere(schema))
  const { kind, name } = about
  const [schema = '', table = '', constraint = ''] = name.split('.')
  if (kind === 'column') return made.has(`table ${name}`) || made.has(`view ${name}`)
  if (kind !== 'constraint') return made.has(`${kind} ${name}`)
  const references = whole.catalog.tables.get(`${schema}.${table}`)?.constraints.get(constraint)?.references
  return isHere(schema) && (!references || isHere(references.split('.')[0] ?? ''))
}
