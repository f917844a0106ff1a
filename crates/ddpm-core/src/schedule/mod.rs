//! Discrete noise schedules and their configuration.

mod alpha_bar;
mod betas;
mod discrete_schedule;
mod schedule_config;
mod sigmas;

pub use discrete_schedule::Schedule;
pub use schedule_config::{ScheduleConfig, ScheduleKind};
pub(crate) use sigmas::karras_sigma;
