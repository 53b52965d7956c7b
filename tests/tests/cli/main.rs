//! The program as its users have it. One test binary, so that what all of these tests need is linked once, and a processor that has
//! finished one group goes on with the next.

mod analyze;
mod answers;
mod bad_container;
mod bad_input;
mod bad_output;
mod bad_request;
mod changed_meanwhile;
mod damaged;
mod deltas;
mod doctor;
mod faults;
mod folders;
mod foreign;
mod format;
mod gain;
mod hostile_memory;
mod interrupted;
mod killed;
mod large;
mod limits;
mod loaders;
mod memory;
mod model_folders;
mod old_containers;
mod outputs;
mod reproduce;
mod resumed;
mod round_trip;
mod shell;
