//! The words after a command: options are taken by name, what nobody took is an error.

use anyhow::{Result, anyhow, bail};

/// The words that are not taken yet.
pub struct Args(Vec<String>);

impl Args {
    pub fn new(words: Vec<String>) -> Args {
        Args(words)
    }

    /// Takes a switch such as `--all`.
    pub fn switch(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|word| word != name);
        self.0.len() != before
    }

    /// Takes an option with a value: `--seeds 5` or `--seeds=5`.
    pub fn value(&mut self, name: &str) -> Result<Option<String>> {
        let equals = format!("{name}=");
        if let Some(at) = self.0.iter().position(|word| word.starts_with(&equals)) {
            return Ok(Some(self.0.remove(at)[equals.len()..].to_owned()));
        }
        let Some(at) = self.0.iter().position(|word| word == name) else { return Ok(None) };
        self.0.remove(at);
        if at >= self.0.len() || self.0[at].starts_with("--") {
            bail!("{name} needs a value");
        }
        Ok(Some(self.0.remove(at)))
    }

    /// Takes an option whose value is a whole number.
    pub fn number(&mut self, name: &str) -> Result<Option<u64>> {
        let Some(text) = self.value(name)? else { return Ok(None) };
        let number = text.replace(['_', ','], "");
        number.parse().map(Some).map_err(|_| anyhow!("{name} needs a whole number, and {text:?} is none"))
    }

    /// Takes all that is left, as it stands.
    pub fn rest(&mut self) -> Vec<String> {
        self.0.retain(|word| word != "--");
        std::mem::take(&mut self.0)
    }

    /// Refuses what nobody took.
    pub fn finish(self) -> Result<()> {
        match self.0.iter().find(|word| *word != "--") {
            None => Ok(()),
            Some(word) => bail!("{word:?} is no option of this command; --help lists them"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> Args {
        Args::new(line.split_whitespace().map(str::to_owned).collect())
    }

    #[test]
    fn options_are_taken_in_any_order() {
        let mut args = args("--seeds 1_000 --all --only=main/*");
        assert!(args.switch("--all"));
        assert!(!args.switch("--all"));
        assert_eq!(args.number("--seeds").unwrap(), Some(1000));
        assert_eq!(args.value("--only").unwrap().as_deref(), Some("main/*"));
        args.finish().unwrap();
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert!(args("--seeds").number("--seeds").unwrap_err().to_string().contains("needs a value"));
        assert!(args("--seeds x").number("--seeds").unwrap_err().to_string().contains("\"x\""));
        assert!(args("--sedes 4").finish().unwrap_err().to_string().contains("--sedes"));
    }
}
