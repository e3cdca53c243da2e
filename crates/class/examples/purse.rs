//! The least that money needs: a class in Rust that moves an amount from one object to another.

use emerge::{Error, ErrorCode, Value, fs};

/// A purse.
#[emerge::class]
pub struct Purse {
    /// Cents.
    #[default(0)]
    pub cents: i64,
}

#[emerge::class]
impl Purse {
    /// Gives cents to the purse at another path, and says how many are left: all of it happens, or nothing.
    pub fn give(&mut self, to: String, amount: i64) -> Result<i64, Error> {
        if amount <= 0 || amount > self.cents {
            let why = format!("{amount} of {} cents cannot be given", self.cents);
            return Err(Error::new(ErrorCode::LimitExceeded, why).field("amount"));
        }
        self.cents -= amount;
        fs::call::<Value>(&to, "receive", vec![Value::Int(amount)])?;
        Ok(self.cents)
    }

    /// Takes cents in.
    pub fn receive(&mut self, amount: i64) {
        self.cents += amount;
    }
}
