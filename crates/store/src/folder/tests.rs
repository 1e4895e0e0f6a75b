use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::location::Surroundings;
use super::*;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_new_folder_and_its_files_are_private_to_their_owner() {
    let outer = tempfile::tempdir().unwrap();
    let folder = DataFolder::open(outer.path().join("a/b")).unwrap();
    assert_eq!(mode(folder.path()), 0o700);
    assert_eq!(mode(&folder.journal()), 0o700);
    assert_eq!(mode(&folder.tls()), 0o700);
    assert_eq!(mode(&folder.database()), 0o600);
    assert_eq!(mode(&folder.path().join("secret")), 0o600);
}

#[test]
fn the_secret_is_made_once_and_differs_between_folders() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = DataFolder::open(one.path()).unwrap().secret().unwrap();
    assert_eq!(
        DataFolder::open(one.path()).unwrap().secret().unwrap(),
        first
    );
    assert_ne!(
        DataFolder::open(two.path()).unwrap().secret().unwrap(),
        first
    );
}

#[test]
fn a_secret_that_others_could_read_is_closed_again() {
    let outer = tempfile::tempdir().unwrap();
    let folder = DataFolder::open(outer.path()).unwrap();
    let path = folder.path().join("secret");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    folder.secret().unwrap();
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn a_secret_of_the_wrong_length_is_named_and_not_replaced() {
    let outer = tempfile::tempdir().unwrap();
    DataFolder::open(outer.path()).unwrap();
    for wrong in [
        &[7_u8; LENGTH_OF_SECRET - 1][..],
        &[7; LENGTH_OF_SECRET + 1],
    ] {
        fs::write(outer.path().join("secret"), wrong).unwrap();
        let error = DataFolder::open(outer.path()).unwrap_err();
        assert!(matches!(error, FolderError::BadSecret { .. }), "{error}");
        assert_eq!(fs::read(outer.path().join("secret")).unwrap(), wrong);
    }
}

const LENGTH_OF_SECRET: usize = super::secret::LENGTH;

#[test]
fn only_one_exchange_works_on_a_folder_and_the_other_learns_its_process() {
    let outer = tempfile::tempdir().unwrap();
    let folder = DataFolder::open(outer.path()).unwrap();
    let lock = folder.lock().unwrap();
    let error = folder.lock().unwrap_err();
    assert!(
        error.to_string().contains(&std::process::id().to_string()),
        "{error}"
    );
    drop(lock);
    folder.lock().unwrap();
}

#[test]
fn a_file_in_the_place_of_the_folder_is_refused() {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("taken");
    fs::write(&path, "a letter").unwrap();
    let error = DataFolder::open(&path).unwrap_err();
    assert!(
        matches!(error, FolderError::NotADirectory { .. }),
        "{error}"
    );
    let error = DataFolder::open(path.join("below")).unwrap_err();
    assert!(
        matches!(error, FolderError::NotADirectory { .. }),
        "{error}"
    );
}

#[test]
fn a_folder_that_cannot_be_written_is_refused() {
    if rustix::process::geteuid().is_root() {
        // Root may write everywhere but where the kernel itself says no.
        let error = DataFolder::open("/proc/fernamt").unwrap_err();
        assert!(error.to_string().contains("/proc/fernamt"), "{error}");
        return;
    }
    let outer = tempfile::tempdir().unwrap();
    fs::set_permissions(outer.path(), fs::Permissions::from_mode(0o500)).unwrap();
    let error = DataFolder::open(outer.path()).unwrap_err();
    assert!(matches!(error, FolderError::NotWritable { .. }), "{error}");
}

#[test]
fn the_default_location_follows_the_surroundings_in_their_order() {
    let at = |surroundings: Surroundings| surroundings.data_folder().unwrap();
    let home = || Some("/home/anna".into());
    let all = Surroundings {
        named: Some("/n".into()),
        state_directory: Some("/var/lib/one:/var/lib/two".into()),
        root_of_a_service: true,
        xdg_data_home: Some("/x".into()),
        home: home(),
    };
    assert_eq!(
        at(Surroundings { named: None, ..all }),
        Path::new("/var/lib/one")
    );
    assert_eq!(
        at(Surroundings {
            named: Some("/n".into()),
            ..Surroundings::default()
        }),
        Path::new("/n")
    );
    assert_eq!(
        at(Surroundings {
            root_of_a_service: true,
            home: home(),
            ..Surroundings::default()
        }),
        Path::new("/var/lib/fernamt")
    );
    assert_eq!(
        at(Surroundings {
            xdg_data_home: Some("/x".into()),
            home: home(),
            ..Surroundings::default()
        }),
        Path::new("/x/fernamt")
    );
    assert_eq!(
        at(Surroundings {
            xdg_data_home: Some("relative".into()),
            home: home(),
            ..Surroundings::default()
        }),
        Path::new("/home/anna/.local/share/fernamt")
    );
    assert!(matches!(
        Surroundings::default().data_folder(),
        Err(FolderError::NoLocation)
    ));
}
