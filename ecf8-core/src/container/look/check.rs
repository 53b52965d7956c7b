//! Everything that is wrong with a compressed file, or with any file of a folder, and what is good all the same.

use super::model::{CompressedModel, OtherFiles};
use crate::container::folder::Folder;
use crate::container::{CompressedFile, Damage, Progress};
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// What was found where all was looked at.
#[derive(Debug)]
pub struct Check {
    /// The containers that could be opened, at least as damaged ones.
    pub model: CompressedModel,
    /// What was found of each container, by path.
    pub files: Vec<FileCheck>,
    /// What is missing of a folder, or what of it cannot be read, beside containers.
    pub problems: Vec<Error>,
    /// What was found of a folder's other files.
    pub others: OtherFiles,
}

/// What was found of a container.
#[derive(Debug)]
pub struct FileCheck {
    /// Its path within the folder, or its name.
    pub name: PathBuf,
    /// Why it could not be opened as a whole one.
    pub refusal: Option<Error>,
    /// What is damaged of it, if it could be opened at all.
    pub damage: Damage,
}

impl FileCheck {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.refusal.is_none() && self.damage.is_none()
    }
}

impl Check {
    /// Whether nothing is wrong, and this version can read everything.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.files.iter().all(|file| file.is_right() && file.damage.unknown.is_empty())
            && self.problems.is_empty()
            && self.others.damaged.is_empty()
    }

    /// The model, if nothing is wrong.
    ///
    /// # Errors
    /// What is wrong, all in one.
    pub fn into_model(mut self) -> Result<CompressedModel> {
        self.error().map_or(Ok(self.model), Err)
    }

    fn error(&mut self) -> Option<Error> {
        let wrong: Vec<&FileCheck> = self.files.iter().filter(|file| !file.is_right()).collect();
        let others = self.problems.len() + self.others.damaged.len();
        if self.model.files.is_empty() {
            return self.files.iter_mut().find_map(|file| file.refusal.take());
        }
        match (&*wrong, others) {
            ([], 0) => self.model.files.iter().find_map(|file| file.require_known().err()),
            ([one], 0) if one.damage.is_none() => self.files.iter_mut().find_map(|file| file.refusal.take()),
            ([one], 0) => {
                let tensor = match (&*one.damage.tensors, &*one.damage.metadata) {
                    ([only], []) => Some(only.name.clone()),
                    _ => None,
                };
                Some(self.damaged(self.path_of(&one.name), one.damage.summary()?, tensor))
            }
            ([], 1) => self.problems.pop().or_else(|| self.others.damaged.pop()),
            (wrong, others) => {
                let mut what = Vec::new();
                match wrong {
                    [] => {}
                    [one] => what.push(format!("{} is damaged", one.name.display())),
                    more => {
                        what.push(format!("{} of {} containers are damaged", more.len(), self.files.len()));
                    }
                }
                match others {
                    0 => {}
                    1 => what.push("1 other file is missing or damaged".to_owned()),
                    others => what.push(format!("{others} other files are missing or damaged")),
                }
                Some(self.damaged(self.model.root.clone(), what.join(", and "), None))
            }
        }
    }

    fn damaged(&self, path: PathBuf, what: String, tensor: Option<String>) -> Error {
        let command = format!("`ecf8 decompress --partial {} -o OUT`", self.model.root.display());
        let good = self.files.iter().map(|file| file.damage.good.len()).sum::<usize>();
        let saved = match good {
            0 => String::new(),
            1 => format!(", or save the tensor that is good: {command}"),
            good => format!(", or save the {good} tensors that are good: {command}"),
        };
        Error::Damaged { path, what, tensor, remedy: format!("fetch or make it again{saved}") }
    }

    fn path_of(&self, name: &Path) -> PathBuf {
        if self.model.root.is_dir() { self.model.root.join(name) } else { self.model.root.clone() }
    }
}

/// Checks a container, or all in a folder: every stored byte, that every tensor decodes to its original bytes, and that other
/// files are there and as they were. Goes on after what it finds.
///
/// # Errors
/// If there is nothing that can be opened, or a file changes meanwhile.
pub fn check(path: &Path, progress: &dyn Progress) -> Result<Check> {
    if !path.is_dir() {
        let (file, refusal) = match open(path)? {
            (Some(file), refusal) => (file, refusal),
            (None, Some(error)) => return Err(error),
            (None, None) => return Err(Error::NoModel { path: path.to_owned() }),
        };
        let name = path.file_name().unwrap_or_default().into();
        let damage = file.damage(progress)?;
        let files = vec![FileCheck { name, refusal, damage }];
        let model = CompressedModel::of_file(file);
        return Ok(Check { model, files, problems: Vec::new(), others: OtherFiles::default() });
    }
    let (folder, problems) = Folder::open_damaged(path)?;
    folder.require_weights(path)?;
    folder.tell(progress);
    let (mut opened, mut files) = (Vec::new(), Vec::new());
    for found in folder.weights() {
        let (file, refusal) = open(&folder.root.join(&found.name))?;
        let damage = file.as_ref().map(|file| file.damage(progress)).transpose()?.unwrap_or_default();
        files.push(FileCheck { name: found.name.clone(), refusal, damage });
        opened.extend(file);
    }
    let model = CompressedModel::of_folder(folder, opened);
    let others = model.check_other_files(progress)?;
    model.check_unchanged()?;
    Ok(Check { model, files, problems, others })
}

/// Opens a container, as a damaged one if not as a whole one; gives also what keeps it from being whole.
fn open(path: &Path) -> Result<(Option<CompressedFile>, Option<Error>)> {
    match CompressedFile::open(path) {
        Ok(file) => Ok((Some(file), None)),
        Err(error) if error.is_lasting_damage() => Ok((CompressedFile::open_damaged(path).ok(), Some(error))),
        Err(error) => Err(error),
    }
}
