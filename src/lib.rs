//! meshfault
