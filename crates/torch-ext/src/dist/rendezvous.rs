//! The place of a process in its group, from the environment variables of its launcher.

use crate::TorchError;
use std::str::FromStr;
use std::time::Duration;

/// Time that a process waits for the others, unless DDPM_DIST_TIMEOUT says otherwise.
const TIMEOUT: Duration = Duration::from_secs(600);

/// The place of a process in its group, and where the group meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendezvous {
    /// Index of the process, from 0.
    pub rank: usize,
    /// Number of processes.
    pub world: usize,
    /// Index of the process among those on its machine.
    pub local_rank: usize,
    /// Host of the store through which the processes find each other.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether rank 0 opens the port; torchrun's agent has opened it already.
    pub serve: bool,
    /// Number of times that the launcher has restarted the group.
    pub restarts: u64,
    /// Time that a process waits for the others.
    pub timeout: Duration,
}

/// Environment variables by name.
trait Variables: Fn(&str) -> Option<String> {}
impl<F: Fn(&str) -> Option<String>> Variables for F {}

impl Rendezvous {
    /// The group that this process was started in; `None` for a process that runs alone.
    ///
    /// RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT, which torchrun and Kubernetes' PyTorchJob set, come first; then the variables
    /// of a Slurm step (`srun`), then those of Open MPI.
    ///
    /// # Errors
    /// A variable that is missing or is no number.
    pub fn from_environment() -> Result<Option<Self>, TorchError> {
        Self::read(&|name: &str| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn read(variables: &impl Variables) -> Result<Option<Self>, TorchError> {
        let names = if variables("RANK").is_some() && variables("WORLD_SIZE").is_some() {
            ["RANK", "WORLD_SIZE", "LOCAL_RANK"]
        } else if variables("SLURM_STEP_ID").is_some() && variables("SLURM_PROCID").is_some() {
            ["SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID"]
        } else if variables("OMPI_COMM_WORLD_RANK").is_some() {
            ["OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"]
        } else {
            return Ok(None);
        };
        let [rank_name, world_name, local_name] = names;
        let rank: usize = number(variables, rank_name)?;
        let world: usize = number(variables, world_name)?;
        if world == 1 && rank == 0 {
            return Ok(None);
        }
        if rank >= world {
            return Err(wrong(rank_name, format!("below {world_name} ({world})"), &rank.to_string()));
        }
        let slurm = rank_name == "SLURM_PROCID";
        let host = match variables("MASTER_ADDR") {
            Some(host) => host,
            None if slurm => variables("SLURM_STEP_NODELIST")
                .and_then(|nodes| first_node(&nodes))
                .ok_or_else(|| missing("MASTER_ADDR", "the host of rank 0"))?,
            None => return Err(missing("MASTER_ADDR", "the host of rank 0")),
        };
        let port = match (variables("MASTER_PORT"), variables("SLURM_JOB_ID")) {
            (Some(_), _) => number(variables, "MASTER_PORT")?,
            // Jobs on one machine must not meet at one port.
            (None, Some(_)) if slurm => 20_000 + (number::<u64>(variables, "SLURM_JOB_ID")? % 20_000) as u16,
            (None, _) => return Err(missing("MASTER_PORT", "a free port on that host, such as 29500")),
        };
        let local_rank = match variables(local_name) {
            Some(_) => number(variables, local_name)?,
            None => 0,
        };
        let restarts = match variables("TORCHELASTIC_RESTART_COUNT") {
            Some(_) => number(variables, "TORCHELASTIC_RESTART_COUNT")?,
            None => 0,
        };
        let timeout = match variables("DDPM_DIST_TIMEOUT") {
            Some(text) => {
                let seconds: u64 = number(variables, "DDPM_DIST_TIMEOUT")?;
                if !(1..=86_400).contains(&seconds) {
                    return Err(wrong("DDPM_DIST_TIMEOUT", "between 1 and 86400 seconds".into(), &text));
                }
                Duration::from_secs(seconds)
            }
            None => TIMEOUT,
        };
        let agent_serves = variables("TORCHELASTIC_USE_AGENT_STORE").is_some_and(|value| value == "True");
        let serve = rank == 0 && !agent_serves;
        Ok(Some(Rendezvous { rank, world, local_rank, host, port, serve, restarts, timeout }))
    }
}

fn number<N: FromStr>(variables: &impl Variables, name: &str) -> Result<N, TorchError> {
    let text = variables(name).ok_or_else(|| missing(name, "a whole number"))?;
    text.parse().map_err(|_| wrong(name, "a whole number".into(), &text))
}

fn missing(name: &str, expected: &str) -> TorchError {
    TorchError::Group(format!("the environment variable {name} is not set; expected {expected}"))
}

fn wrong(name: &str, expected: String, got: &str) -> TorchError {
    TorchError::Group(format!("the environment variable {name} must be {expected}, got {got}"))
}

/// The first host of Slurm's list of hosts: `gpu03` of `gpu[03-05,9],login1`.
fn first_node(list: &str) -> Option<String> {
    let end = list.find([',', '[']).unwrap_or(list.len());
    let (name, rest) = list.split_at(end);
    let Some(ranges) = rest.strip_prefix('[') else {
        return (!name.is_empty()).then(|| name.to_string());
    };
    let digits: String = ranges.chars().take_while(char::is_ascii_digit).collect();
    let suffix = ranges.split_once(']')?.1;
    let suffix: String = suffix.chars().take_while(|&c| c != ',').collect();
    Some(format!("{name}{digits}{suffix}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Option<Rendezvous>, TorchError> {
        let find = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_string())
        };
        Rendezvous::read(&find)
    }

    const TORCHRUN: [(&str, &str); 7] = [
        ("RANK", "1"),
        ("WORLD_SIZE", "4"),
        ("LOCAL_RANK", "1"),
        ("MASTER_ADDR", "node1"),
        ("MASTER_PORT", "29400"),
        ("TORCHELASTIC_USE_AGENT_STORE", "True"),
        ("TORCHELASTIC_RESTART_COUNT", "2"),
    ];

    #[test]
    fn launchers_are_understood() {
        assert_eq!(read(&[]).unwrap(), None);
        assert_eq!(read(&[("RANK", "0"), ("WORLD_SIZE", "1")]).unwrap(), None);
        let place = read(&TORCHRUN).unwrap().unwrap();
        let expected = Rendezvous {
            rank: 1,
            world: 4,
            local_rank: 1,
            host: "node1".into(),
            port: 29400,
            serve: false,
            restarts: 2,
            timeout: TIMEOUT,
        };
        assert_eq!(place, expected);
        let slurm = [
            ("SLURM_STEP_ID", "0"),
            ("SLURM_PROCID", "0"),
            ("SLURM_STEP_NUM_TASKS", "8"),
            ("SLURM_LOCALID", "0"),
            ("SLURM_STEP_NODELIST", "gpu[03-05,9],login1"),
            ("SLURM_JOB_ID", "45678"),
        ];
        let place = read(&slurm).unwrap().unwrap();
        assert_eq!((place.rank, place.world, place.host.as_str()), (0, 8, "gpu03"));
        assert_eq!((place.port, place.serve), (25_678, true));
        // A batch script's own process is in no step.
        assert_eq!(read(&slurm[1..]).unwrap(), None);
        let mpi = [
            ("OMPI_COMM_WORLD_RANK", "3"),
            ("OMPI_COMM_WORLD_SIZE", "4"),
            ("OMPI_COMM_WORLD_LOCAL_RANK", "1"),
            ("MASTER_ADDR", "a"),
            ("MASTER_PORT", "29500"),
        ];
        assert_eq!(read(&mpi).unwrap().unwrap().local_rank, 1);
    }

    #[test]
    fn a_variable_that_is_missing_or_wrong_is_named() {
        let text = |variables: &[(&str, &str)]| read(variables).unwrap_err().to_string();
        let alone = [("RANK", "0"), ("WORLD_SIZE", "2")];
        assert!(text(&alone).contains("MASTER_ADDR is not set; expected the host of rank 0"));
        let with = |name: &'static str, value: &'static str| {
            let mut variables = vec![(name, value)];
            variables.extend(TORCHRUN.iter().filter(|(known, _)| *known != name));
            text(&variables)
        };
        assert!(with("RANK", "x").contains("RANK must be a whole number, got x"));
        assert!(with("RANK", "4").contains("RANK must be below WORLD_SIZE (4), got 4"));
        assert!(with("MASTER_PORT", "70000").contains("MASTER_PORT must be a whole number, got 70000"));
        assert!(with("DDPM_DIST_TIMEOUT", "0").contains("between 1 and 86400 seconds, got 0"));
    }

    #[test]
    fn the_first_node_of_a_list() {
        for (list, first) in [
            ("n1", "n1"),
            ("n1,n2", "n1"),
            ("n[08-12]", "n08"),
            ("n[7,9]-ib,x", "n7-ib"),
            ("a[1-2],b[3-4]", "a1"),
        ] {
            assert_eq!(first_node(list).as_deref(), Some(first));
        }
        assert_eq!(first_node(""), None);
    }
}
