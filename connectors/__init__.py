"""The ways between the service and the world; none of them imports another."""
