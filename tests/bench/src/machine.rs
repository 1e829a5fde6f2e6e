//! What stands beside every figure: the processor, and what it can do. Read from the system, never configured.

use std::fs;

/// The machine that a run was made on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// The processor, as it calls itself.
    pub processor: String,
    /// How many cores this process may use.
    pub cores: usize,
    /// The features that hashing may use, by their usual names.
    pub features: Vec<String>,
}

impl Machine {
    /// This machine.
    pub fn here() -> Self {
        Self {
            processor: processor(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            features: features().into_iter().map(str::to_owned).collect(),
        }
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, {} cores, {}", self.processor, self.cores, self.features.join(" "))
    }
}

/// The model's name, where the system tells it; else the architecture.
fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        text.lines().find_map(|line| {
            line.strip_prefix(name)?.trim_start().strip_prefix(':').map(|rest| rest.trim().to_owned())
        })
    };
    let Some(name) = field("model name") else { return std::env::consts::ARCH.to_owned() };
    // A virtual machine may hide the model behind a general name: family and model tell generations apart.
    match (field("cpu family"), field("model\t")) {
        (Some(family), Some(model)) => format!("{name} (family {family}, model {model})"),
        _ => name,
    }
}

#[cfg(target_arch = "x86_64")]
fn features() -> Vec<&'static str> {
    let all = [
        ("avx2", std::is_x86_feature_detected!("avx2")),
        ("bmi2", std::is_x86_feature_detected!("bmi2")),
        ("avx512f", std::is_x86_feature_detected!("avx512f")),
        ("avx512vl", std::is_x86_feature_detected!("avx512vl")),
        ("vaes", std::is_x86_feature_detected!("vaes")),
        ("sha", std::is_x86_feature_detected!("sha")),
    ];
    all.into_iter().filter(|feature| feature.1).map(|feature| feature.0).collect()
}

#[cfg(target_arch = "aarch64")]
fn features() -> Vec<&'static str> {
    let all = [
        ("neon", std::arch::is_aarch64_feature_detected!("neon")),
        ("sha3", std::arch::is_aarch64_feature_detected!("sha3")),
        ("aes", std::arch::is_aarch64_feature_detected!("aes")),
    ];
    all.into_iter().filter(|feature| feature.1).map(|feature| feature.0).collect()
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn features() -> Vec<&'static str> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machine_has_a_name_and_a_core() {
        let machine = Machine::here();
        assert!(!machine.processor.is_empty() && machine.cores > 0);
    }
}
