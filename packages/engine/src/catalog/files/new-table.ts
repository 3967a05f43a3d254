import type { Table } from '../model.ts'
import type { Fold } from './fold.ts'
import { defaultGrants } from './default-grants.ts'
import type { Name } from './names.ts'

/** A table as CREATE TABLE begins it: without columns, with the grants that new tables get. */
export function newTable(fold: Fold, { schema, name }: Name, parts: Partial<Table>): Table {
  return {
    schema,
    name,
    owner: null,
    comment: null,
    grants: defaultGrants(fold, 'table', schema),
    columns: new Map(),
    constraints: new Map(),
    indexes: new Map(),
    policies: new Map(),
    triggers: new Map(),
    rules: new Map(),
    rlsEnabled: false,
    rlsForced: false,
    unlogged: false,
    partitionKey: null,
    partitionOf: null,
    partitionBound: null,
    inherits: [],
    options: [],
    replicaIdentity: 'default',
    position: fold.position,
    ...parts,
  }
}
