import type { Node } from '../../parse/parser.ts'
import { objectNames } from '../../parse/references.ts'
import type { EventTrigger, Publication, Routine, Schema, Statistics, UserType } from '../model.ts'
import type { Fold } from './fold.ts'
import { routineKey } from './grants.ts'
import { find, typeNamed } from './names.ts'

/** What an ALTER or COMMENT names, of the kinds that are no relation and no part of one. */
export function namedObject(
  fold: Fold,
  objectType: string,
  object: Node,
): Schema | Routine | UserType | Statistics | Publication | EventTrigger | undefined {
  const { catalog } = fold
  const names = objectNames(object)
  const last = names.at(-1) ?? ''
  switch (objectType) {
    case 'OBJECT_SCHEMA':
      return catalog.schemas.get(last)
    case 'OBJECT_FUNCTION':
    case 'OBJECT_PROCEDURE':
    case 'OBJECT_ROUTINE':
    case 'OBJECT_AGGREGATE':
      return 'ObjectWithArgs' in object
        ? catalog.functions.get(routineKey(fold, object.ObjectWithArgs) ?? '')
        : undefined
    case 'OBJECT_TYPE':
    case 'OBJECT_DOMAIN':
      return catalog.types.get(typeNamed(fold, names).key)
    case 'OBJECT_STATISTIC_EXT':
      return catalog.statistics.get(find(fold, names, (key) => catalog.statistics.has(key)).key)
    case 'OBJECT_PUBLICATION':
      return catalog.publications.get(last)
    case 'OBJECT_EVENT_TRIGGER':
      return catalog.eventTriggers.get(last)
    default:
      return undefined
  }
}
