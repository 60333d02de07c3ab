"""The queue on a spool: `spool_queue`; the values it takes and gives: `base`; what it tells the log: `report`."""
