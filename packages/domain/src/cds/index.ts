// Wrappers of the operations of schema/cds.
export {}
