// Wrappers of the operations of schema/tasking.
export {}
