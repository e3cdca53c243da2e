//! A bank account: a class in Rust, whose module runs in a page, in Node.js, in Python and on the node.

use emerge::{DateTime, Error, ErrorCode, Value, fs, log};

/// A bank account.
#[emerge::class]
pub struct Account {
    /// Whose it is.
    pub owner: String,
    /// Cents.
    #[default(0)]
    pub balance: i64,
    /// Interest of a year, as a part of the whole.
    #[default(0.02)]
    pub rate: f64,
    /// What came in and went out, in cents.
    #[default([])]
    pub moves: Vec<i64>,
    /// When it was used last.
    pub used: Option<DateTime>,
}

#[emerge::class]
impl Account {
    /// Puts cents in, and gives how many there are then.
    pub fn deposit(&mut self, amount: i64) -> Result<i64, String> {
        if amount <= 0 {
            return Err("an amount is more than nothing".into());
        }
        self.move_by(amount);
        Ok(self.balance)
    }

    /// Takes cents off, and gives how many are left.
    pub fn withdraw(&mut self, amount: i64, #[default(0)] fee: i64) -> Result<i64, Error> {
        if amount + fee > self.balance {
            let why = format!("{} has {} cents and wants {}", self.owner, self.balance, amount + fee);
            return Err(Error::new(ErrorCode::LimitExceeded, why).field("amount"));
        }
        self.move_by(-amount - fee);
        Ok(self.balance)
    }

    /// Moves cents to the account at another path: all of it happens, or nothing.
    pub fn pay(&mut self, to: String, amount: i64) -> Result<i64, Error> {
        log(format!("{amount} to {to}"));
        let left = self.withdraw(amount, 0)?;
        fs::call::<Value>(&to, "deposit", vec![Value::Int(amount)])?;
        Ok(left)
    }

    /// What the balance comes to after some years.
    pub fn grown(&self, #[default(1)] years: u32) -> f64 {
        self.balance as f64 * (1.0 + self.rate).powi(years as i32)
    }

    /// Whether nothing is left.
    #[property]
    pub fn empty(&self) -> bool {
        self.balance == 0
    }

    /// The sum of some amounts.
    pub fn sum(#[rest] amounts: Vec<i64>) -> i64 {
        amounts.iter().sum()
    }

    fn move_by(&mut self, amount: i64) {
        self.balance += amount;
        self.moves.push(amount);
        self.used = Some(emerge::now());
    }
}
