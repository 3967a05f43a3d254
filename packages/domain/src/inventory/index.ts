// Wrappers of the operations of schema/inventory.
export {}
