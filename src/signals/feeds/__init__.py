"""Where events come from: the port every feed keeps, and Kafka. The embedded log lives in `journeys.store`."""
