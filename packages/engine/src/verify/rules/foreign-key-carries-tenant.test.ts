import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  addConstraint,
  addTenantTable,
  addTrigger,
  messagesOf,
  soundCatalog,
} from '../../../../../tests/support/catalog-builder.ts'
import type { Catalog, Table } from '../../catalog/model.ts'
import { foreignKeyCarriesTenant } from './foreign-key-carries-tenant.ts'

test('foreign-key-carries-tenant: finds a reference by id alone', () => {
  const catalog = soundCatalog((_, things) => {
    addConstraint(things, 'things_other_fkey', 'foreign key', ['other_id'], {
      references: 'a.things',
      referencedColumns: ['id'],
    })
  })

  const messages = messagesOf(foreignKeyCarriesTenant, catalog)

  assert.match(messages.join('\n'), /does not carry tenant_id/)
})

test('foreign-key-carries-tenant: finds a reference that pairs the tenant with something else', () => {
  const catalog = soundCatalog((_, things) => {
    addConstraint(things, 'things_other_fkey', 'foreign key', ['tenant_id', 'other_id'], {
      references: 'a.things',
      referencedColumns: ['id', 'tenant_id'],
    })
  })

  const messages = messagesOf(foreignKeyCarriesTenant, catalog)

  assert.match(messages.join('\n'), /does not carry tenant_id/)
})

test('foreign-key-carries-tenant: finds a reference that would clear the tenant', () => {
  const catalog = soundCatalog((_, things) => {
    addConstraint(things, 'things_other_fkey', 'foreign key', ['tenant_id', 'other_id'], {
      references: 'a.things',
      referencedColumns: ['tenant_id', 'id'],
      onDelete: 'set null',
    })
  })

  const messages = messagesOf(foreignKeyCarriesTenant, catalog)

  assert.match(messages.join('\n'), /on delete set null/)
})

test('foreign-key-carries-tenant: lets a reference clear its other columns alone', () => {
  const catalog = soundCatalog((_, things) => {
    addConstraint(things, 'things_other_fkey', 'foreign key', ['tenant_id', 'other_id'], {
      definition: 'FOREIGN KEY (tenant_id, other_id) REFERENCES a.things(tenant_id, id) ON DELETE SET NULL (other_id)',
      references: 'a.things',
      referencedColumns: ['tenant_id', 'id'],
      onDelete: 'set null',
    })
  })

  const messages = messagesOf(foreignKeyCarriesTenant, catalog)

  assert.deepEqual(messages, [])
})

test('foreign-key-carries-tenant: finds an unchecked reference to a shared table', () => {
  const catalog = soundCatalog((catalog, things) => {
    referToShared(catalog, things)
  })

  const messages = messagesOf(foreignKeyCarriesTenant, catalog)

  assert.match(messages.join('\n'), /no trigger checks whose row it is/)
})

test('foreign-key-carries-tenant: accepts a composite reference', () => {
  const catalog = soundCatalog((_, things) => {
    addConstraint(things, 'things_other_fkey', 'foreign key', ['tenant_id', 'other_id'], {
      references: 'a.things',
      referencedColumns: ['tenant_id', 'id'],
    })
  })

  const messages = messagesOf(foreignKeyCarriesTenant, catalog)

  assert.deepEqual(messages, [])
})

test('foreign-key-carries-tenant: accepts a checked reference to a shared table', () => {
  const catalog = soundCatalog((catalog, things) => {
    referToShared(catalog, things)
    addTrigger(things, 'things_code_visible', {
      events: ['insert', 'update'],
      function: 'core.check_shared_reference',
      arguments: ['code_id', 'a.codes'],
    })
  })

  const messages = messagesOf(foreignKeyCarriesTenant, catalog)

  assert.deepEqual(messages, [])
})

function referToShared(catalog: Catalog, things: Table): void {
  addTenantTable(catalog, 'a', 'codes').comment = 'class=reference;scope=shared;about=Codes.'
  addConstraint(things, 'things_code_fkey', 'foreign key', ['code_id'], {
    references: 'a.codes',
    referencedColumns: ['id'],
  })
}
