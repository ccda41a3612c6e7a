/// The requirements of the program for every store that it serves from, and of every store that a command opens.
package protocol ManagedStore: AnyObject, ChunkStore, UploadInventory, StoreHealth, StoreMaintenance {}
